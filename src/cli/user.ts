/** `tocsin user`: the credentials of dashboards, services and gateways. */
import { credentialCommand } from './credential-command.ts';

export const command = credentialCommand(
  'user',
  `usage: tocsin user [ls] [--json]
       tocsin user add NAME [--password [TEXT] | --no-password] [--publish FILTER]… [--subscribe FILTER]…
       tocsin user add -
       tocsin user rotate NAME [--password [TEXT]] [--end]
       tocsin user remove NAME

Gives dashboards, services and gateways credentials, in the file that credentials: of the config names: hashes only. A user may
publish and subscribe to what is listed, and to nothing else. Add prints a password that is made for it, once.

  --publish FILTER     topics that it may publish to, + and # allowed; any number of times
  --subscribe FILTER   topics that it may subscribe to; $SYS/# is the broker’s own, which # does not include
  --password [TEXT]    one that you choose, at least 8 characters; without TEXT it is read from stdin. What stands on the
                       command line can be read by others on this machine
  --no-password        none: it has a client certificate with this name
  --json               ls as JSON

rotate gives it another password; the one before counts as well, until rotate NAME --end. What is removed or ended closes the
connections that logged in with it. A running instance takes all of this up with tocsin reload.

  tocsin user add dashboard --subscribe 'sensors/#' --subscribe 'tocsin/alerts/#'
`,
);
