/**
 * The other end of sd_notify(3): a real AF_UNIX datagram socket. Node has none; perl-base, part of every
 * Debian, does. What comes in is kept with its time.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'

const program = `use Socket; $| = 1;
socket(S, PF_UNIX, SOCK_DGRAM, 0) or die; bind(S, sockaddr_un($ARGV[0])) or die "bind: $!";
print "listening\\n";
my $in = ''; vec($in, fileno(S), 1) = 1; vec($in, fileno(STDIN), 1) = 1;
while (select(my $ready = $in, undef, undef, undef) > 0) {
  exit 0 if vec($ready, fileno(STDIN), 1);
  recv(S, my $word, 65536, 0); $word =~ tr/\\n/ /; print "$word\\n";
}`

/** A supervisor that only listens. */
export interface NotifySocket {
  /** What NOTIFY_SOCKET is to be. */
  readonly path: string
  /** Everything heard so far. */
  readonly words: readonly string[]
  close(): Promise<void>
}

/** Listens at `path`, which must not exist. */
export async function openNotifySocket(path: string): Promise<NotifySocket> {
  // It ends when its standard input closes, hence also when this process dies without a word.
  const child = spawn('perl', ['-e', program, path], { stdio: ['pipe', 'pipe', 'inherit'] })
  const gone = once(child, 'exit')
  const words: string[] = []
  let rest = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    // systemd-notify ends with a barrier, which is about descriptors and says nothing.
    words.push(...lines.filter(line => !line.startsWith('BARRIER=')))
  })
  await Promise.race([once(child.stdout, 'data'), gone])
  if (child.exitCode !== null) throw new Error('the notify socket could not be opened')
  words.shift()
  return {
    path,
    words,
    close: async () => {
      child.stdin.end()
      await gone
    },
  }
}
