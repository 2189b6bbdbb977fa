/** Names of containers: Docker's rule for those that are given, and an adjective with a surname for the others. */
import { randomInt } from 'node:crypto'
import { invalid } from '../../lib/errors.ts'

const nameRule = '[a-zA-Z0-9][a-zA-Z0-9_.-]'
const namePattern = new RegExp(`^/?${nameRule}+$`)
/** A name is a file name and a host name elsewhere. */
const nameLengthMax = 255

/** Without its slash. */
export function checkName(name: string): string {
  if (!namePattern.test(name) || name.length > nameLengthMax) {
    throw invalid('invalid_name', `Invalid container name (${name}), only ${nameRule} are allowed`)
  }
  return name.replace(/^\//, '')
}

const adjectives = [
  ...[
    'amber',
    'apt',
    'bold',
    'brave',
    'breezy',
    'bright',
    'brisk',
    'calm',
    'candid',
    'clever',
    'cosy',
    'crisp',
  ],
  ...[
    'deft',
    'eager',
    'fair',
    'fleet',
    'fond',
    'frank',
    'gentle',
    'glad',
    'golden',
    'hardy',
    'hopeful',
    'humble',
  ],
  ...[
    'jolly',
    'keen',
    'kind',
    'lively',
    'loyal',
    'lucid',
    'mellow',
    'merry',
    'mild',
    'modest',
    'neat',
    'nimble',
  ],
  ...[
    'noble',
    'patient',
    'placid',
    'plucky',
    'polite',
    'prompt',
    'proud',
    'quick',
    'quiet',
    'ready',
    'serene',
  ],
  ...[
    'silver',
    'snug',
    'sober',
    'spry',
    'steady',
    'sunny',
    'swift',
    'tender',
    'tidy',
    'vivid',
    'warm',
    'wise',
  ],
]

const surnames = [
  ...[
    'allen',
    'babbage',
    'bell',
    'bernstein',
    'boole',
    'cerf',
    'church',
    'codd',
    'cray',
    'curie',
    'dijkstra',
  ],
  ...[
    'engelbart',
    'erdos',
    'euclid',
    'euler',
    'fermat',
    'feynman',
    'galois',
    'gauss',
    'goldberg',
    'hamilton',
  ],
  ...[
    'hamming',
    'haslett',
    'hoare',
    'hopper',
    'johnson',
    'kay',
    'kepler',
    'kernighan',
    'knuth',
    'kolmogorov',
  ],
  ...[
    'lamarr',
    'lamport',
    'liskov',
    'lovelace',
    'mccarthy',
    'meitner',
    'mirzakhani',
    'naur',
    'noether',
    'perlman',
  ],
  ...[
    'pike',
    'ramanujan',
    'ritchie',
    'shannon',
    'sinoussi',
    'stallman',
    'sutherland',
    'tesla',
    'thompson',
    'turing',
  ],
  ...['wiles', 'wirth', 'wozniak', 'yonath', 'zuse'],
]

/** Tries so often before a number is put behind the name. */
const plainTries = 6

export function randomName(isTaken: (name: string) => boolean): string {
  for (let attempt = 0; ; attempt++) {
    const base = `${pick(adjectives)}_${pick(surnames)}`
    const name =
      attempt < plainTries ? base : `${base}${randomInt(10 ** Math.min(attempt - plainTries + 1, 9))}`
    if (!isTaken(name)) return name
  }
}

function pick(words: readonly string[]): string {
  return words[randomInt(words.length)]!
}
