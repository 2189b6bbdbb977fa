/**
 * Who may come in where the front door asks for client certificates. Everybody may finish the handshake, so that what is
 * wrong with a certificate can be told as a sentence; nobody's request is read before this has said yes.
 */
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'

/** What is wrong with the certificate that the client has shown; null: nothing. */
export function loginRefusal(socket: Socket): string | null {
  if (!(socket instanceof TLSSocket)) return required
  // OpenSSL has nothing against a resumed session that never had a certificate. None is offered to be resumed.
  if (Object.keys(socket.getPeerCertificate()).length === 0 || socket.isSessionReused()) return required
  if (socket.authorized) return null
  const why = String(socket.authorizationError)
  return `the client certificate is refused: ${reasons[why] ?? why}`
}

const required =
  'a client certificate, signed by the authority that this daemon was given (--tls-ca), is required: give it with ' +
  '--tlscert and --tlskey, or in the docker context'
const notOurs = 'it is not signed by the authority that this daemon was given (--tls-ca)'
const reasons: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'it has expired',
  CERT_NOT_YET_VALID: 'it is not valid yet',
  UNABLE_TO_GET_ISSUER_CERT: notOurs,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: notOurs,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: notOurs,
  DEPTH_ZERO_SELF_SIGNED_CERT: notOurs,
  SELF_SIGNED_CERT_IN_CHAIN: notOurs,
  CERT_SIGNATURE_FAILURE: notOurs,
  INVALID_PURPOSE: 'it is not made for clients (extendedKeyUsage)',
}
