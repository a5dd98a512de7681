#!/usr/bin/env node
// The command `polity`. Plain JavaScript that any Node from 12 on can parse, so that one that is too old says so itself.
var wanted = 24
if (Number(process.versions.node.split('.')[0]) < wanted) {
  process.stderr.write(
    'polity: this is Node ' +
      process.versions.node +
      ', and Node ' +
      wanted +
      ' or later is needed; in a checkout of the repository ' +
      '`npm ci` brings one and `npm start` uses it, elsewhere install Node ' +
      wanted +
      ' (https://nodejs.org).\n',
  )
  process.exit(2)
}

// A checkout runs its sources; a published package has only what was built from them (Node runs no `.ts` in node_modules).
import('../src/cli/main.ts')
  .catch(function (error) {
    var isMissing =
      error.code === 'ERR_MODULE_NOT_FOUND' && /[\\/]src[\\/]cli[\\/]main\.ts/.test(String(error.url || error.message))
    if (isMissing || error.code === 'ERR_UNSUPPORTED_NODE_MODULES_TYPE_STRIPPING') return import('../dist/cli/main.js')
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
