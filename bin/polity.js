#!/usr/bin/env node
// The command `polity`. Plain JavaScript that any Node from 12 on can parse, so that one that is too old says so itself.
var wanted = 24
if (Number(process.versions.node.split('.')[0]) < wanted) tooOld()
else start()

/** Says what to do in this very folder: a checkout has its own Node, or gets it from npm. */
function tooOld() {
  Promise.all([import('fs'), import('path'), import('url')]).then(function (modules) {
    var inCheckout = function (path) {
      return modules[2].fileURLToPath(new URL('../' + path, import.meta.url))
    }
    var isThere = function (path) {
      return modules[0].existsSync(inCheckout(path))
    }
    var quoted = function (path) {
      return /^[\w@%+=:,./\\-]+$/.test(path) ? path : "'" + path.replace(/'/g, "'\\''") + "'"
    }
    var words = process.argv.slice(2, 3).concat(process.argv.length > 3 ? '…' : [])
    var line = ['npx polity'].concat(words).join(' ')
    // From elsewhere the checkout is named: in it the store and the files would be others.
    var isHere = modules[1].relative(process.cwd(), inCheckout('bin')) === 'bin'
    var own = [inCheckout('node_modules/node/bin/node'), inCheckout('bin/polity.js')].map(quoted)
    var lineInCheckout = isHere ? line : own.concat(words).join(' ')
    var todo = isThere('node_modules/node/package.json')
      ? 'its checkout has one: run `' + lineInCheckout + '` instead'
      : isThere('src/cli/main.ts')
        ? 'run `npm ci` in ' + quoted(inCheckout('.')) + ', which brings one, and then `' + lineInCheckout + '` instead'
        : 'install it from https://nodejs.org, or add it to your project with `npm install node@' +
          wanted +
          '` and run `' +
          line +
          '`'
    process.stderr.write(
      'polity: this is Node ' + process.versions.node + ', and Node ' + wanted + ' or later is needed; ' + todo + '.\n',
    )
    process.exit(2)
  })
}

/**
 * What Node compiled is kept for the next start, which then takes a third of the time. In the user's own folder: code is
 * run from there, so not in one that others may write to. Where it cannot be kept, nothing is said and nothing is lost.
 */
function keepCompiled() {
  return Promise.all([import('module'), import('os'), import('path')]).then(function (modules) {
    var caches = process.env.XDG_CACHE_HOME || modules[2].join(modules[1].homedir(), '.cache')
    modules[0].enableCompileCache(modules[2].join(caches, 'polity', 'compiled'))
  })
}

// A checkout runs its sources; a published package has only what was built from them (Node runs no `.ts` in node_modules).
function start() {
  keepCompiled()
    .catch(function () {})
    .then(function () {
      return import('../src/cli/main.ts')
    })
    .catch(function (error) {
      var isMissing =
        error.code === 'ERR_MODULE_NOT_FOUND' &&
        /[\\/]src[\\/]cli[\\/]main\.ts/.test(String(error.url || error.message))
      if (isMissing || error.code === 'ERR_UNSUPPORTED_NODE_MODULES_TYPE_STRIPPING')
        return import('../dist/cli/main.js')
      throw error
    })
    .then(
      function (cli) {
        return cli.main(process.argv.slice(2))
      },
      function (error) {
        var isPackage = error.code === 'ERR_MODULE_NOT_FOUND'
        process.stderr.write(
          'polity: the program does not load (' +
            String(error.message).split('\n')[0] +
            '); ' +
            (isPackage ? 'run `npm ci` in its folder, or install it again' : 'install it again') +
            '.\n',
        )
        if (process.env.POLITY_DEBUG === '1') console.error(error)
        process.exit(2)
      },
    )
}
