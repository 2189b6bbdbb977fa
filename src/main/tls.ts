/** The certificate, key and authority of the TCP address, read and looked at before anything listens. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { TlsMaterial } from '../api/listen.ts'
import { invalid, messageOf } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { Config } from './config.ts'

/** Throws kind `invalid`, naming the option, where TLS could not work. What has expired is served: the clients say so. */
export function readTls(files: NonNullable<Config['tls']>, log: Log): TlsMaterial {
  const cert = readFile('--tls-cert', files.cert)
  const key = readFile('--tls-key', files.key)
  const ca = files.ca === null ? null : readFile('--tls-ca', files.ca)
  const own = certificate('--tls-cert', files.cert, cert)
  if (!own.checkPrivateKey(privateKey(files.key, key))) {
    throw invalid('bad_option', `--tls-key: ${files.key} is not the key of the certificate ${files.cert}`)
  }
  warnOfAge(log, files.cert, own)
  if (ca !== null) warnOfAge(log, files.ca!, certificate('--tls-ca', files.ca!, ca))
  return { cert, key, ca }
}

function readFile(option: string, path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw invalid('bad_option', `${option}: ${path} cannot be read: ${messageOf(error)}`)
  }
}

function certificate(option: string, path: string, pem: string): X509Certificate {
  try {
    return new X509Certificate(pem)
  } catch (error) {
    throw invalid('bad_option', `${option}: ${path} is no certificate in PEM: ${messageOf(error)}`)
  }
}

function privateKey(path: string, pem: string): KeyObject {
  try {
    return createPrivateKey(pem)
  } catch (error) {
    throw invalid(
      'bad_option',
      `--tls-key: ${path} is no private key in PEM without a passphrase: ${messageOf(error)}`,
    )
  }
}

function warnOfAge(log: Log, path: string, { validFrom, validTo }: X509Certificate): void {
  const now = Date.now()
  if (Date.parse(validTo) < now)
    log.warn({ path, validTo }, 'a certificate has expired: clients will refuse it')
  if (Date.parse(validFrom) > now) log.warn({ path, validFrom }, 'a certificate is not valid yet')
}
