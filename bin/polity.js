#!/usr/bin/env node
// The command `polity`. Plain JavaScript that any Node from 12 on can parse, so that one that is too old says so itself.
var wanted = 24
if (Number(process.versions.node.split('.')[0]) < wanted) tooOld()
else start()

/** Says what to do in this very folder: a checkout has its own Node, or gets it from npm. */
function tooOld() {
  import('fs').then(function (fs) {
    var isThere = function (path) {
      return fs.existsSync(new URL(path, import.meta.url))
    }
    var line = ['npx polity'].concat(process.argv.slice(2, 3), process.argv.length > 3 ? '…' : []).join(' ')
    var todo = isThere('../node_modules/node/package.json')
      ? 'this checkout has one: run `' + line + '` in it instead of `node bin/polity.js`'
      : isThere('../src/cli/main.ts')
        ? 'run `npm ci` in this checkout, which brings one, and then `' + line + '` instead of `node bin/polity.js`'
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
