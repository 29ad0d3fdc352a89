/** Whether the terminal that a process writes to is still there. */
import { isatty } from 'node:tty'

/** What a process writes to. */
export interface Output {
  readonly isTTY?: boolean
  readonly fd: number
}

/** Whether it was a terminal, and has been closed. */
export function isClosedTerminal({ isTTY, fd }: Output): boolean {
  return isTTY === true && !isatty(fd)
}
