/** A REST client as cheap as it can be, since it shares two cores with what it measures: one raw socket. */
import { connect, type Socket } from 'node:net'
import { once } from 'node:events'

/** Far beyond any answer, and any rest between two questions. */
const answerWithinMs = 60_000

/** A keep-alive connection to a daemon on this machine; one request at a time. */
export class RestConnection {
  readonly #socket: Socket
  #received = ''
  #waiting: PromiseWithResolvers<string> | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setEncoding('latin1')
    socket.setTimeout(answerWithinMs, () => socket.destroy(new Error('the daemon has not answered in time')))
    socket.on('data', (text: string) => this.#take(text))
    socket.on('error', error => this.#waiting?.reject(error))
    socket.on('close', () => this.#waiting?.reject(closed()))
  }

  static async open(port: number): Promise<RestConnection> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    await once(socket, 'connect')
    return new RestConnection(socket)
  }

  /**
   * Sends a request whose answer has a Content-Length; the answer's body. Throws on any status but 200, and
   * once the daemon has closed the connection.
   */
  ask(method: string, path: string, body?: string): Promise<string> {
    if (this.#socket.destroyed) return Promise.reject(closed())
    this.#waiting = Promise.withResolvers()
    const content =
      body === undefined ? '' : `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n`
    this.#socket.write(`${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${content}\r\n${body ?? ''}`)
    return this.#waiting.promise
  }

  close(): void {
    this.#socket.destroy()
  }

  #take(text: string): void {
    this.#received += text
    const head = this.#received.indexOf('\r\n\r\n')
    if (head < 0) return
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(this.#received)?.[1] ?? 0)
    if (this.#received.length < head + 4 + length) return
    const answer = this.#received
    this.#received = ''
    if (answer.startsWith('HTTP/1.1 200')) this.#waiting?.resolve(answer.slice(head + 4))
    else this.#waiting?.reject(new Error(`the daemon answered ${answer.slice(0, 200)}`))
  }
}

function closed(): Error {
  return new Error('the daemon closed the connection')
}
