/**
 * Classical planning domains, each with problems drawn by size: what `plan.strips` sets as tasks.
 *
 *     const problem = planningDomains[0].problem(draw, 4)      // PDDL text, of four blocks
 *
 * The ideas are those of the planning competitions since 1998 and of PlanBench (Valmeekam et al. 2023); the texts are our
 * own. Every problem has a plan, and its goal does not hold at first.
 */
import { drawBelow, pick, shuffled, type Draw } from './environment.ts'

/** A domain, and how problems of it are drawn. */
export interface PlanningDomain {
  readonly name: string
  /** PDDL. */
  readonly text: string
  /** A problem in PDDL; what size counts is said at each. */
  problem(draw: Draw, size: number): string
  /** The size that a level stands for; it stops growing where search would not end in seconds. Levels 1 to 3 take milliseconds. */
  sizeOf(level: number): number
}

function numbered(name: string, n: number): string[] {
  return Array.from({ length: n }, (_, i) => `${name}${i + 1}`)
}

function problemText(
  domain: string,
  parts: { objects: readonly string[]; init: readonly string[]; goal: readonly string[] },
) {
  const lines = (facts: readonly string[]): string => facts.map((fact) => `    ${fact}`).join('\n')
  return `(define (problem ${domain}-task)\n  (:domain ${domain})\n  (:objects ${parts.objects.join(' ')})\n  (:init\n${lines(parts.init)})\n  (:goal (and\n${lines(parts.goal)})))\n`
}

/** Draws until the goal is not what is so already. */
function unlike(draw: () => { init: readonly string[]; goal: readonly string[]; objects: readonly string[] }) {
  for (;;) {
    const parts = draw()
    if (parts.goal.some((fact) => !parts.init.includes(fact))) return parts
  }
}

// ---------------------------------------------------------------------------------------------------------- blocks

/** Blocks on a table and a hand that holds one (Slaney and Thiébaux 2001). Size: blocks. */
const blocks: PlanningDomain = {
  name: 'blocks',
  text: `(define (domain blocks)
  (:requirements :strips)
  (:predicates (on ?x ?y) (on-table ?x) (clear ?x) (hand-empty) (holding ?x))
  (:action pick-up
    :parameters (?x)
    :precondition (and (clear ?x) (on-table ?x) (hand-empty))
    :effect (and (holding ?x) (not (on-table ?x)) (not (clear ?x)) (not (hand-empty))))
  (:action put-down
    :parameters (?x)
    :precondition (holding ?x)
    :effect (and (on-table ?x) (clear ?x) (hand-empty) (not (holding ?x))))
  (:action stack
    :parameters (?x ?y)
    :precondition (and (holding ?x) (clear ?y))
    :effect (and (on ?x ?y) (clear ?x) (hand-empty) (not (holding ?x)) (not (clear ?y))))
  (:action unstack
    :parameters (?x ?y)
    :precondition (and (on ?x ?y) (clear ?x) (hand-empty))
    :effect (and (holding ?x) (clear ?y) (not (on ?x ?y)) (not (clear ?x)) (not (hand-empty)))))
`,
  sizeOf: (level) => Math.min(12, 3 + level),
  problem(draw, size) {
    const names = numbered('b', size)
    return problemText(
      'blocks',
      unlike(() => {
        const [from, to] = [towers(draw, names), towers(draw, names)]
        const init = ['(hand-empty)', ...standing(from), ...from.map((tower) => `(clear ${tower.at(-1)})`)]
        return { objects: names, init, goal: standing(to).filter((fact) => fact.startsWith('(on ')) }
      }),
    )
  },
}

/** Blocks in random order, put on the last tower or beside it. */
function towers(draw: Draw, names: readonly string[]): string[][] {
  const built: string[][] = []
  for (const name of shuffled(draw, names)) {
    const place = drawBelow(draw, built.length + 1)
    if (place === built.length) built.push([name])
    else built[place]?.push(name)
  }
  return built
}

function standing(built: readonly (readonly string[])[]): string[] {
  return built.flatMap((tower) =>
    tower.map((name, i) => (i === 0 ? `(on-table ${name})` : `(on ${name} ${tower[i - 1]})`)),
  )
}

// --------------------------------------------------------------------------------------------------------- gripper

/** Balls carried between two rooms by a robot with two hands. Size: balls; all in one room: 3n - 1 actions if n is even, 3n if odd. */
const gripper: PlanningDomain = {
  name: 'gripper',
  text: `(define (domain gripper)
  (:requirements :strips :typing :equality :negative-preconditions)
  (:types room ball hand)
  (:predicates (robot-in ?r - room) (in ?b - ball ?r - room) (free ?h - hand) (carries ?h - hand ?b - ball))
  (:action move
    :parameters (?from ?to - room)
    :precondition (and (robot-in ?from) (not (= ?from ?to)))
    :effect (and (robot-in ?to) (not (robot-in ?from))))
  (:action pick
    :parameters (?b - ball ?r - room ?h - hand)
    :precondition (and (in ?b ?r) (robot-in ?r) (free ?h))
    :effect (and (carries ?h ?b) (not (in ?b ?r)) (not (free ?h))))
  (:action drop
    :parameters (?b - ball ?r - room ?h - hand)
    :precondition (and (carries ?h ?b) (robot-in ?r))
    :effect (and (in ?b ?r) (free ?h) (not (carries ?h ?b)))))
`,
  sizeOf: (level) => 1 + level,
  problem(draw, size) {
    const [rooms, balls] = [['north', 'south'], numbered('ball', size)]
    const init = ['(free left)', '(free right)', `(robot-in ${pick(draw, rooms)})`]
    const goal: string[] = []
    // Size 1 or more, and the first ball always has to go to the other room.
    balls.forEach((ball, i) => {
      const [from, to] = shuffled(draw, rooms)
      init.push(`(in ${ball} ${from})`)
      goal.push(`(in ${ball} ${i === 0 || draw() < 0.75 ? to : from})`)
    })
    return problemText('gripper', {
      objects: [...rooms, '- room', ...balls, '- ball', 'left', 'right', '- hand'],
      init,
      goal,
    })
  },
}

// ----------------------------------------------------------------------------------------------------------- ferry

/** A ferry for one car between quays. Size: cars, and as many quays, at least three. */
const ferry: PlanningDomain = {
  name: 'ferry',
  text: `(define (domain ferry)
  (:requirements :strips :typing :equality :negative-preconditions)
  (:types car quay)
  (:predicates (ferry-at ?q - quay) (at ?c - car ?q - quay) (empty) (aboard ?c - car))
  (:action sail
    :parameters (?from ?to - quay)
    :precondition (and (ferry-at ?from) (not (= ?from ?to)))
    :effect (and (ferry-at ?to) (not (ferry-at ?from))))
  (:action board
    :parameters (?c - car ?q - quay)
    :precondition (and (at ?c ?q) (ferry-at ?q) (empty))
    :effect (and (aboard ?c) (not (at ?c ?q)) (not (empty))))
  (:action debark
    :parameters (?c - car ?q - quay)
    :precondition (and (aboard ?c) (ferry-at ?q))
    :effect (and (at ?c ?q) (empty) (not (aboard ?c)))))
`,
  sizeOf: (level) => 1 + level,
  problem(draw, size) {
    const [cars, quays] = [numbered('car', size), numbered('quay', Math.max(3, size))]
    return problemText(
      'ferry',
      unlike(() => ({
        objects: [...cars, '- car', ...quays, '- quay'],
        init: ['(empty)', `(ferry-at ${pick(draw, quays)})`, ...cars.map((car) => `(at ${car} ${pick(draw, quays)})`)],
        goal: cars.map((car) => `(at ${car} ${pick(draw, quays)})`),
      })),
    )
  },
}

// ------------------------------------------------------------------------------------------------------- logistics

/** Parcels by truck within cities and by plane between them. Size: parcels; two cities of two places, one truck each. */
const logistics: PlanningDomain = {
  name: 'logistics',
  text: `(define (domain logistics)
  (:requirements :strips :typing :equality :negative-preconditions)
  (:types vehicle parcel - movable place city - object truck plane - vehicle airport - place)
  (:predicates (at ?m - movable ?p - place) (inside ?x - parcel ?v - vehicle) (of ?p - place ?c - city))
  (:action load
    :parameters (?x - parcel ?v - vehicle ?p - place)
    :precondition (and (at ?x ?p) (at ?v ?p))
    :effect (and (inside ?x ?v) (not (at ?x ?p))))
  (:action unload
    :parameters (?x - parcel ?v - vehicle ?p - place)
    :precondition (and (inside ?x ?v) (at ?v ?p))
    :effect (and (at ?x ?p) (not (inside ?x ?v))))
  (:action drive
    :parameters (?t - truck ?from ?to - place ?c - city)
    :precondition (and (at ?t ?from) (of ?from ?c) (of ?to ?c) (not (= ?from ?to)))
    :effect (and (at ?t ?to) (not (at ?t ?from))))
  (:action fly
    :parameters (?a - plane ?from ?to - airport)
    :precondition (and (at ?a ?from) (not (= ?from ?to)))
    :effect (and (at ?a ?to) (not (at ?a ?from)))))
`,
  sizeOf: (level) => level,
  problem(draw, size) {
    const [cities, parcels] = [['east', 'west'], numbered('parcel', size)]
    const places = cities.flatMap((city) => [`${city}-port`, `${city}-town`])
    return problemText(
      'logistics',
      unlike(() => ({
        objects: [
          'east-port west-port - airport east-town west-town - place east west - city',
          'east-truck west-truck - truck plane - plane',
          ...parcels,
          '- parcel',
        ],
        init: [
          ...places.map((place) => `(of ${place} ${place.split('-')[0]})`),
          ...cities.map((city) => `(at ${city}-truck ${city}-${pick(draw, ['port', 'town'])})`),
          `(at plane ${pick(draw, cities)}-port)`,
          ...parcels.map((parcel) => `(at ${parcel} ${pick(draw, places)})`),
        ],
        goal: parcels.map((parcel) => `(at ${parcel} ${pick(draw, places)})`),
      })),
    )
  },
}

// --------------------------------------------------------------------------------------------------------- elevator

/** A lift and people on floors (Koehler and Schuster 2000, "Miconic", its simplest form). Size: people; floors two more. */
const elevator: PlanningDomain = {
  name: 'elevator',
  text: `(define (domain elevator)
  (:requirements :strips :typing :negative-preconditions)
  (:types person floor)
  (:predicates (lift-at ?f - floor) (above ?low ?high - floor) (from ?p - person ?f - floor) (to ?p - person ?f - floor)
    (boarded ?p - person) (served ?p - person))
  (:action up
    :parameters (?from ?to - floor)
    :precondition (and (lift-at ?from) (above ?from ?to))
    :effect (and (lift-at ?to) (not (lift-at ?from))))
  (:action down
    :parameters (?from ?to - floor)
    :precondition (and (lift-at ?from) (above ?to ?from))
    :effect (and (lift-at ?to) (not (lift-at ?from))))
  (:action board
    :parameters (?p - person ?f - floor)
    :precondition (and (lift-at ?f) (from ?p ?f) (not (boarded ?p)) (not (served ?p)))
    :effect (boarded ?p))
  (:action leave
    :parameters (?p - person ?f - floor)
    :precondition (and (lift-at ?f) (to ?p ?f) (boarded ?p))
    :effect (and (served ?p) (not (boarded ?p)))))
`,
  sizeOf: (level) => 1 + level,
  problem(draw, size) {
    const [people, floors] = [numbered('p', size), numbered('f', size + 2)]
    return problemText('elevator', {
      objects: [...people, '- person', ...floors, '- floor'],
      init: [
        `(lift-at ${pick(draw, floors)})`,
        ...floors.flatMap((low, i) => floors.slice(i + 1).map((high) => `(above ${low} ${high})`)),
        ...people.flatMap((person) => {
          const [from, to] = shuffled(draw, floors)
          return [`(from ${person} ${from})`, `(to ${person} ${to})`]
        }),
      ],
      goal: people.map((person) => `(served ${person})`),
    })
  },
}

// ------------------------------------------------------------------------------------------------------------ hanoi

/** Discs on three pegs. Size: discs; from one peg to another it takes 2^n - 1 moves. */
const hanoi: PlanningDomain = {
  name: 'hanoi',
  text: `(define (domain hanoi)
  (:requirements :strips :typing)
  (:types peg disc)
  (:predicates (clear ?x) (on ?d - disc ?x) (smaller ?d - disc ?x))
  (:action move
    :parameters (?d - disc ?from ?to)
    :precondition (and (smaller ?d ?to) (on ?d ?from) (clear ?d) (clear ?to))
    :effect (and (clear ?from) (on ?d ?to) (not (on ?d ?from)) (not (clear ?to)))))
`,
  sizeOf: (level) => Math.min(6, 1 + level),
  problem(draw, size) {
    const [discs, pegs] = [numbered('d', size), shuffled(draw, ['left', 'middle', 'right'])]
    const tower = (peg: string): string[] => discs.map((disc, i) => `(on ${disc} ${discs[i + 1] ?? peg})`)
    return problemText('hanoi', {
      objects: [...discs, '- disc', ...pegs, '- peg'],
      init: [
        ...discs.flatMap((disc, i) => [...discs.slice(i + 1), ...pegs].map((x) => `(smaller ${disc} ${x})`)),
        '(clear d1)',
        `(clear ${pegs[1]})`,
        `(clear ${pegs[2]})`,
        ...tower(pegs[0] as string),
      ],
      goal: tower(pegs[1] as string),
    })
  },
}

// --------------------------------------------------------------------------------------------------------- spanners

/** One-way gate: spanners lie along a path that only leads on, and each tightens one nut at its end. Walking past one is a dead end. Size: nuts. */
const spanners: PlanningDomain = {
  name: 'spanners',
  text: `(define (domain spanners)
  (:requirements :strips :typing :negative-preconditions)
  (:types spot spanner nut)
  (:predicates (at ?s - spot) (next ?a ?b - spot) (lies ?x - spanner ?s - spot) (carried ?x - spanner) (worn ?x - spanner)
    (of ?n - nut ?s - spot) (tight ?n - nut))
  (:action walk
    :parameters (?a ?b - spot)
    :precondition (and (at ?a) (next ?a ?b))
    :effect (and (at ?b) (not (at ?a))))
  (:action take
    :parameters (?x - spanner ?s - spot)
    :precondition (and (at ?s) (lies ?x ?s))
    :effect (and (carried ?x) (not (lies ?x ?s))))
  (:action tighten
    :parameters (?n - nut ?x - spanner ?s - spot)
    :precondition (and (at ?s) (of ?n ?s) (carried ?x) (not (worn ?x)) (not (tight ?n)))
    :effect (and (tight ?n) (worn ?x))))
`,
  // Spanners are alike, and each could be used for each nut: what search looks at grows with their factorial.
  sizeOf: (level) => Math.min(5, level),
  problem(draw, size) {
    const [spots, nuts, tools] = [numbered('s', size + 2), numbered('nut', size), numbered('spanner', size)]
    const gate = spots.at(-1) as string
    return problemText('spanners', {
      objects: [...spots, '- spot', ...nuts, '- nut', ...tools, '- spanner'],
      init: [
        '(at s1)',
        ...spots.slice(1).map((spot, i) => `(next ${spots[i]} ${spot})`),
        ...tools.map((tool) => `(lies ${tool} ${pick(draw, spots.slice(0, -1))})`),
        ...nuts.map((nut) => `(of ${nut} ${gate})`),
      ],
      goal: nuts.map((nut) => `(tight ${nut})`),
    })
  },
}

// ------------------------------------------------------------------------------------------------------------ tiles

/** The sliding puzzle (Korf 1985), on three columns. Size: moves at random from the goal. */
const tiles: PlanningDomain = {
  name: 'tiles',
  text: `(define (domain tiles)
  (:requirements :strips :typing)
  (:types tile cell)
  (:predicates (at ?t - tile ?c - cell) (blank ?c - cell) (beside ?a ?b - cell))
  (:action slide
    :parameters (?t - tile ?from ?to - cell)
    :precondition (and (at ?t ?from) (blank ?to) (beside ?from ?to))
    :effect (and (at ?t ?to) (blank ?from) (not (at ?t ?from)) (not (blank ?to)))))
`,
  sizeOf: (level) => 4 * level,
  problem(draw, size) {
    const cells = Array.from({ length: 9 }, (_, i) => `c${Math.floor(i / 3) + 1}${(i % 3) + 1}`)
    const beside = (a: number, b: number): boolean =>
      Math.abs(Math.floor(a / 3) - Math.floor(b / 3)) + Math.abs((a % 3) - (b % 3)) === 1
    const places = (order: readonly number[]): string[] =>
      order.flatMap((tile, cell) => (tile === 0 ? [] : [`(at t${tile} ${cells[cell]})`]))
    const solved = [1, 2, 3, 4, 5, 6, 7, 8, 0]
    return problemText(
      'tiles',
      unlike(() => {
        const order = solved.slice()
        for (let i = 0; i < size; i++) {
          const blank = order.indexOf(0)
          const from = pick(
            draw,
            order.map((_, cell) => cell).filter((cell) => beside(cell, blank)),
          )
          ;[order[blank], order[from]] = [order[from] as number, 0]
        }
        return {
          objects: [...numbered('t', 8), '- tile', ...cells, '- cell'],
          init: [
            ...places(order),
            `(blank ${cells[order.indexOf(0)]})`,
            ...cells.flatMap((a, i) => cells.flatMap((b, j) => (beside(i, j) ? [`(beside ${a} ${b})`] : []))),
          ],
          goal: places(solved),
        }
      }),
    )
  },
}

// ------------------------------------------------------------------------------------------------------------ tyres

/** Flat tyres to be changed with tools from the boot (Russell 1992; one of AgentBoard's games). Size: wheels. */
const tyres: PlanningDomain = {
  name: 'tyres',
  text: `(define (domain tyres)
  (:requirements :strips :typing :negative-preconditions)
  (:types thing hub box - object tool wheel nuts - thing)
  (:constants wrench jack pump - tool)
  (:predicates (open ?b - box) (inside ?t - thing ?b - box) (have ?t - thing) (tight ?n - nuts ?h - hub)
    (loose ?n - nuts ?h - hub) (raised ?h - hub) (fastened ?h - hub) (on ?w - wheel ?h - hub) (bare ?h - hub)
    (intact ?w - wheel) (inflated ?w - wheel))
  (:action open
    :parameters (?b - box)
    :precondition (not (open ?b))
    :effect (open ?b))
  (:action close
    :parameters (?b - box)
    :precondition (open ?b)
    :effect (not (open ?b)))
  (:action fetch
    :parameters (?t - thing ?b - box)
    :precondition (and (inside ?t ?b) (open ?b))
    :effect (and (have ?t) (not (inside ?t ?b))))
  (:action put-away
    :parameters (?t - thing ?b - box)
    :precondition (and (have ?t) (open ?b))
    :effect (and (inside ?t ?b) (not (have ?t))))
  (:action loosen
    :parameters (?n - nuts ?h - hub)
    :precondition (and (have wrench) (tight ?n ?h) (not (raised ?h)))
    :effect (and (loose ?n ?h) (not (tight ?n ?h))))
  (:action tighten
    :parameters (?n - nuts ?h - hub)
    :precondition (and (have wrench) (loose ?n ?h) (not (raised ?h)))
    :effect (and (tight ?n ?h) (not (loose ?n ?h))))
  (:action raise
    :parameters (?h - hub)
    :precondition (and (have jack) (not (raised ?h)))
    :effect (and (raised ?h) (not (have jack))))
  (:action lower
    :parameters (?h - hub)
    :precondition (raised ?h)
    :effect (and (have jack) (not (raised ?h))))
  (:action undo
    :parameters (?n - nuts ?h - hub)
    :precondition (and (have wrench) (raised ?h) (fastened ?h) (loose ?n ?h))
    :effect (and (have ?n) (not (fastened ?h)) (not (loose ?n ?h))))
  (:action do-up
    :parameters (?n - nuts ?h - hub)
    :precondition (and (have wrench) (have ?n) (raised ?h) (not (fastened ?h)) (not (bare ?h)))
    :effect (and (fastened ?h) (loose ?n ?h) (not (have ?n))))
  (:action remove
    :parameters (?w - wheel ?h - hub)
    :precondition (and (on ?w ?h) (raised ?h) (not (fastened ?h)))
    :effect (and (have ?w) (bare ?h) (not (on ?w ?h))))
  (:action put-on
    :parameters (?w - wheel ?h - hub)
    :precondition (and (have ?w) (bare ?h) (raised ?h) (not (fastened ?h)))
    :effect (and (on ?w ?h) (not (bare ?h)) (not (have ?w))))
  (:action inflate
    :parameters (?w - wheel)
    :precondition (and (have pump) (intact ?w) (not (inflated ?w)))
    :effect (inflated ?w)))
`,
  sizeOf: (level) => Math.min(3, Math.ceil(level / 3)),
  problem(draw, size) {
    const [hubs, flat, spare, nuts] = ['hub', 'flat', 'spare', 'nuts'].map((name) => numbered(name, size)) as [
      string[],
      string[],
      string[],
      string[],
    ]
    const tools = ['wrench', 'jack', 'pump']
    // What lies in the boot and what is at hand, and what has to be tidy at the end, is drawn.
    const stowed = [...tools, ...spare].filter(() => draw() < 0.8)
    const tidy = [...tools, ...flat].filter(() => draw() < 0.6)
    return problemText('tyres', {
      objects: [...hubs, '- hub', ...flat, ...spare, '- wheel', ...nuts, '- nuts', 'boot', '- box'],
      init: [
        ...hubs.flatMap((hub, i) => [`(on ${flat[i]} ${hub})`, `(tight ${nuts[i]} ${hub})`, `(fastened ${hub})`]),
        ...spare.map((wheel) => `(intact ${wheel})`),
        ...[...tools, ...spare].map((thing) => (stowed.includes(thing) ? `(inside ${thing} boot)` : `(have ${thing})`)),
      ],
      goal: [
        ...hubs.flatMap((hub, i) => [`(on ${spare[i]} ${hub})`, `(inflated ${spare[i]})`, `(tight ${nuts[i]} ${hub})`]),
        ...tidy.map((thing) => `(inside ${thing} boot)`),
        '(not (open boot))',
      ],
    })
  },
}

// ---------------------------------------------------------------------------------------------------------------- bar

/** Drinks from dispensers and cocktails from a shaker, with two hands (competition of 2011, "Barman"; AgentBoard). Size: shots. */
const bar: PlanningDomain = {
  name: 'bar',
  text: `(define (domain bar)
  (:requirements :strips :typing)
  (:types hand level drink dispenser container - object ingredient cocktail - drink shot shaker - container)
  (:predicates (on-table ?c - container) (holds ?h - hand ?c - container) (free ?h - hand) (empty ?c - container)
    (has ?c - container ?d - drink) (clean ?c - container) (used ?c - container ?d - drink) (gives ?x - dispenser ?i - ingredient)
    (at-level ?s - shaker ?l - level) (next ?low ?high - level) (unshaken ?s - shaker) (shaken ?s - shaker)
    (first-part ?c - cocktail ?i - ingredient) (second-part ?c - cocktail ?i - ingredient) (lowest ?l - level))
  (:action grasp
    :parameters (?h - hand ?c - container)
    :precondition (and (on-table ?c) (free ?h))
    :effect (and (holds ?h ?c) (not (on-table ?c)) (not (free ?h))))
  (:action leave
    :parameters (?h - hand ?c - container)
    :precondition (holds ?h ?c)
    :effect (and (on-table ?c) (free ?h) (not (holds ?h ?c))))
  (:action fill
    :parameters (?s - shot ?i - ingredient ?h ?other - hand ?x - dispenser)
    :precondition (and (holds ?h ?s) (free ?other) (gives ?x ?i) (empty ?s) (clean ?s))
    :effect (and (has ?s ?i) (used ?s ?i) (not (empty ?s)) (not (clean ?s))))
  (:action refill
    :parameters (?s - shot ?i - ingredient ?h ?other - hand ?x - dispenser)
    :precondition (and (holds ?h ?s) (free ?other) (gives ?x ?i) (empty ?s) (used ?s ?i))
    :effect (and (has ?s ?i) (not (empty ?s))))
  (:action pour-away
    :parameters (?h - hand ?s - shot ?d - drink)
    :precondition (and (holds ?h ?s) (has ?s ?d))
    :effect (and (empty ?s) (not (has ?s ?d))))
  (:action clean-shot
    :parameters (?s - shot ?d - drink ?h ?other - hand)
    :precondition (and (holds ?h ?s) (free ?other) (empty ?s) (used ?s ?d))
    :effect (and (clean ?s) (not (used ?s ?d))))
  (:action pour-first
    :parameters (?s - shot ?i - ingredient ?k - shaker ?h - hand ?low ?high - level)
    :precondition (and (holds ?h ?s) (has ?s ?i) (empty ?k) (clean ?k) (at-level ?k ?low) (next ?low ?high))
    :effect (and (empty ?s) (not (has ?s ?i)) (has ?k ?i) (not (empty ?k)) (not (clean ?k)) (unshaken ?k)
      (at-level ?k ?high) (not (at-level ?k ?low))))
  (:action pour-second
    :parameters (?s - shot ?i - ingredient ?k - shaker ?h - hand ?low ?high - level)
    :precondition (and (holds ?h ?s) (has ?s ?i) (unshaken ?k) (at-level ?k ?low) (next ?low ?high))
    :effect (and (empty ?s) (not (has ?s ?i)) (has ?k ?i) (at-level ?k ?high) (not (at-level ?k ?low))))
  (:action shake
    :parameters (?c - cocktail ?a ?b - ingredient ?k - shaker ?h ?other - hand)
    :precondition (and (holds ?h ?k) (free ?other) (has ?k ?a) (has ?k ?b) (first-part ?c ?a) (second-part ?c ?b) (unshaken ?k))
    :effect (and (shaken ?k) (has ?k ?c) (not (unshaken ?k)) (not (has ?k ?a)) (not (has ?k ?b))))
  (:action serve
    :parameters (?c - cocktail ?s - shot ?h - hand ?k - shaker ?high ?low - level)
    :precondition (and (holds ?h ?k) (shaken ?k) (has ?k ?c) (empty ?s) (clean ?s) (at-level ?k ?high) (next ?low ?high))
    :effect (and (has ?s ?c) (used ?s ?c) (not (empty ?s)) (not (clean ?s)) (at-level ?k ?low) (not (at-level ?k ?high))))
  (:action empty-shaker
    :parameters (?h - hand ?k - shaker ?c - cocktail ?l ?low - level)
    :precondition (and (holds ?h ?k) (has ?k ?c) (shaken ?k) (at-level ?k ?l) (lowest ?low))
    :effect (and (empty ?k) (not (has ?k ?c)) (not (shaken ?k)) (not (at-level ?k ?l)) (at-level ?k ?low)))
  (:action clean-shaker
    :parameters (?h ?other - hand ?k - shaker)
    :precondition (and (holds ?h ?k) (free ?other) (empty ?k))
    :effect (clean ?k)))
`,
  sizeOf: (level) => Math.min(4, Math.ceil(level / 2)),
  problem(draw, size) {
    const [shots, cocktails] = [numbered('shot', size), numbered('cocktail', Math.max(1, size - 1))]
    const ingredients = ['juice', 'mint', 'soda']
    return problemText('bar', {
      objects: [
        'left right - hand l0 l1 l2 - level shaker - shaker juice-tap mint-tap soda-tap - dispenser juice mint soda - ingredient',
        ...cocktails,
        '- cocktail',
        ...shots,
        '- shot',
      ],
      init: [
        '(free left)',
        '(free right)',
        '(lowest l0)',
        '(next l0 l1)',
        '(next l1 l2)',
        '(at-level shaker l0)',
        ...['shaker', ...shots].flatMap((one) => [`(on-table ${one})`, `(empty ${one})`, `(clean ${one})`]),
        ...ingredients.map((one) => `(gives ${one}-tap ${one})`),
        ...cocktails.flatMap((cocktail) => {
          const [first, second] = shuffled(draw, ingredients)
          return [`(first-part ${cocktail} ${first})`, `(second-part ${cocktail} ${second})`]
        }),
      ],
      goal: shots.map((shot) => `(has ${shot} ${pick(draw, draw() < 0.5 ? cocktails : ingredients)})`),
    })
  },
}

export const planningDomains: readonly PlanningDomain[] = [
  blocks,
  gripper,
  ferry,
  logistics,
  elevator,
  hanoi,
  spanners,
  tiles,
  tyres,
  bar,
]
