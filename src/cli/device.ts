/** `tocsin device`: the credentials of devices. */
import { credentialCommand } from './credential-command.ts';

export const command = credentialCommand(
  'device',
  `usage: tocsin device [ls] [--json]
       tocsin device add ID [--password [TEXT] | --no-password] [--publish FILTER]… [--subscribe FILTER]…
       tocsin device add -
       tocsin device rotate ID [--password [TEXT]] [--end]
       tocsin device remove ID

Gives devices credentials, in the file that credentials: of the config names: hashes only. A device connects with its id as
user name. It may publish and subscribe below its own topics, those with {device} in its profile and in the formats that are
built in; see devices/README.md. Add prints a password that is made for it, once; - reads ids from stdin, one a line, and prints
each with its password.

  --password [TEXT]    one that you choose, at least 8 characters; without TEXT it is read from stdin. What stands on the
                       command line can be read by others on this machine
  --no-password        none: it has a client certificate with its id as the name
  --publish FILTER     what it may publish besides its own topics, + and # allowed: a gateway speaks for others
  --subscribe FILTER   what it may subscribe to besides
  --json               ls as JSON

rotate gives it another password; the one before counts as well, until rotate ID --end. What is removed or ended closes the
connections that logged in with it. A running instance takes all of this up with tocsin reload.

  tocsin device add fridge-01
  tocsin device ls | tail -n +2 | wc -l
`,
);
