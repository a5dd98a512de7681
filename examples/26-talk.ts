/**
 * A talk from a document, with nobody asked: slides with sentences of the notes, a voice, and a film in which each slide is shown as long as it is spoken
 * of. Name a document of your own:  node examples/26-talk.ts notes.md   writes notes.mp4
 */
// prints: a talk of the notes:
import { readFileSync, writeFileSync } from 'node:fs'
import { presentAgent } from '../src/agents/present-agent.ts'
import { mediaTools } from '../src/drivers/media.ts'
import { mediaSupport } from '../src/drivers/media/support.ts'
import { boot } from '../src/index.ts'

const [, , path] = process.argv
const notes = `# The lake

## Ice

Ten centimetres of clear ice carry a person.

## Fish

Fish stand deep and hardly move.
`
const document = path === undefined ? notes : readFileSync(path, 'utf8')

const missing = (await mediaSupport()).find(({ isAvailable }) => !isAvailable)
if (missing === undefined) {
  const kernel = await boot({ tools: mediaTools() })
  const run = kernel.spawn(presentAgent, { document, planner: 'quotes', film: { width: 640, height: 360 } })
  const { slides, skipped, video, ms } = await run.result
  for (const { startMs, purpose, notes: said } of slides)
    console.log(`${Math.round(startMs / 1_000)} s  ${purpose}: ${said}`)
  for (const { purpose, why } of skipped) console.log(`left out: ${purpose}. ${why}`)
  if (video !== null) {
    const film = Buffer.from(kernel.files(run.pid).read(video).content, 'base64')
    if (path !== undefined) writeFileSync(path.replace(/\.\w+$|$/, '.mp4'), film)
    console.log(
      `a talk of the notes: ${slides.length} slides, ${Math.round(ms / 1_000)} s, a film of ${Math.round(film.length / 1_000)} KB`,
    )
  }
  await kernel.close()
} else console.log(`a talk of the notes: none here, because ${missing.reason}`)
