// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the words of a Dockerfile look so
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { cpuMs } from '../../lib/support/cpu-ms.ts'
import { parseDockerfile } from './dockerfile.ts'
import { readLines } from './lines.ts'
import { expand, splitWords } from './words.ts'

const names = (text: string) =>
  parseDockerfile(text).stages.flatMap(({ steps }) => steps.map((step) => step.source))

test('lines are continued, comments and empty lines within them left out', () => {
  const cases: [text: string, expected: string[]][] = [
    ['RUN a \\\n  && b', ['RUN a   && b']],
    ['RUN a \\\n  # a comment \\\n && b', ['RUN a  && b']],
    ['RUN a \\\n\n  b', ['RUN a   b']],
    ['RUN a \\   \n b', ['RUN a  b']],
    ['RUN a # no comment', ['RUN a # no comment']],
    ['RUN a \\\\\nRUN b', ['RUN a \\\\', 'RUN b']],
    ['  run a\r\nrUn b\r\n', ['run a', 'rUn b']],
    ['RUN "a \\\n b"', ['RUN "a  b"']],
    ['RUN a \\', ['RUN a']],
    ['#RUN a\n # RUN b\nRUN c', ['RUN c']],
  ]
  for (const [text, expected] of cases) assert.deepEqual(names(`FROM x\n${text}`), expected, text)
})

test('directives stand at the top, and choose the escape', () => {
  const windows = '# syntax=docker/dockerfile:1\n# escape=`\nFROM x\nRUN a `\n  b\\\nRUN c'
  assert.deepEqual(names(windows), ['RUN a   b\\', 'RUN c'])
  assert.equal(readLines('# a comment\n# escape=`\nFROM x').escapeToken, '\\')
  assert.equal(readLines('FROM x\n# escape=`').escapeToken, '\\')
  assert.throws(() => readLines('# escape=x\nFROM x'), /parse error line 1: invalid ESCAPE 'x'/)
  assert.throws(() => readLines('# escape=`\n# escape=`\nFROM x'), /only one escape parser directive/)
})

test('an empty line in a continued one is warned of', () => {
  const { warnings } = parseDockerfile('FROM x\nRUN a \\\n\n b')
  assert.match(warnings.join('\n'), /Empty continuation line found in:\n {4}RUN a {2}b\n.*will become errors/)
})

test('stages, their names and what comes before them', () => {
  const file = parseDockerfile(
    'ARG V=1\nFROM a:$V AS Build\nRUN x\nFROM --platform=linux/amd64 b\nFROM scratch\nCOPY --from=build --chown=1:2 /x "y" /z/\n',
  )
  assert.deepEqual(
    file.args.map(({ args }) => args),
    [[{ key: 'V', value: '1' }]],
  )
  assert.deepEqual(
    file.stages.map(({ from: { base, stage, platform } }) => [base, stage, platform]),
    [
      ['a:$V', 'build', ''],
      ['b', '', 'linux/amd64'],
      ['scratch', '', ''],
    ],
  )
  const { at, source, ...copy } = file.stages[2]!.steps[0]!
  assert.deepEqual(copy, {
    name: 'COPY',
    sources: ['/x', '"y"'],
    target: '/z/',
    from: 'build',
    chown: '1:2',
    chmod: '',
  })
  assert.deepEqual([at, source], [6, 'COPY --from=build --chown=1:2 /x "y" /z/'])
})

test('what is wrong is said in the words of dockerd, with the line', () => {
  const cases: [text: string, error: string][] = [
    ['', 'file with no instructions'],
    ['# only a comment', 'file with no instructions'],
    ['RUN x', 'no build stage in current context'],
    ['ARG X=1', 'no build stage in current context'],
    ['FROM x\n\nFOO bar', 'dockerfile parse error line 3: unknown instruction: FOO'],
    ['FROM x\nRUN', 'dockerfile parse error line 2: RUN requires at least one argument'],
    ['FROM', 'dockerfile parse error line 1: FROM requires either one or three arguments'],
    ['FROM x y', 'dockerfile parse error line 1: FROM requires either one or three arguments'],
    [
      'FROM x AS 1a',
      'dockerfile parse error line 1: invalid name for build stage: "1a", name can\'t start with a number or contain symbols',
    ],
    [
      'FROM x\nCOPY a',
      'dockerfile parse error line 2: COPY requires at least two arguments, but only one was provided. Destination could not be determined',
    ],
    ['FROM x\nCOPY --foo=1 a b', 'dockerfile parse error line 2: Unknown flag: foo'],
    ['FROM x\nCOPY --from a b', 'dockerfile parse error line 2: Missing a value on flag: from'],
    ['FROM x\nENV A', 'dockerfile parse error line 2: ENV must have two arguments'],
    [
      'FROM x\nLABEL a=b c',
      'dockerfile parse error line 2: Syntax error - can\'t find = in "c". Must be of the form: name=value',
    ],
    [
      'FROM x\nCMD [1]',
      'dockerfile parse error line 2: when using JSON array syntax, arrays must be comprised of strings only',
    ],
    ['FROM x\nSHELL sh', 'dockerfile parse error line 2: SHELL requires the arguments to be in JSON form'],
    ['FROM x\nONBUILD FROM y', "dockerfile parse error line 2: FROM isn't allowed as an ONBUILD trigger"],
    [
      'FROM x\nRUN --mount=type=cache,target=/x y',
      'dockerfile parse error line 2: the --mount option requires BuildKit, which is not supported: write the line without it',
    ],
    [
      'FROM x\nRUN <<EOF\nls\nEOF',
      'dockerfile parse error line 2: here-documents (<<) in RUN require BuildKit, which is not supported: put the text into a file of the build context',
    ],
  ]
  for (const [text, message] of cases)
    assert.throws(() => parseDockerfile(text), { kind: 'invalid', message }, text)
})

test('variables are put in as a shell would', () => {
  const env = ['A=1', 'EMPTY=', 'B=two words']
  const cases: [word: string, expected: string][] = [
    ['$A', '1'],
    ['${A}x$A', '1x1'],
    ['a$A-b', 'a1-b'],
    ['\\$A', '$A'],
    ["'$A'", '$A'],
    ['"$A $B"', '1 two words'],
    ['"\\$A \\" \\a"', '$A " \\a'],
    ['$NO|${NO}', '|'],
    ['${NO:-d}', 'd'],
    ['${EMPTY:-d}|${EMPTY-d}', 'd|'],
    ['${A:+y}|${NO:+y}|${EMPTY:+y}|${EMPTY+y}', 'y|||y'],
    ['${NO:-${A}${NO:-x}}', '1x'],
    ['${NO:-"a }b"}', 'a }b'],
    ['$', '$'],
    ['$$A', 'A'],
    ['a\\', 'a'],
    ['$1$@', ''],
    ['${A:?no}', '1'],
  ]
  for (const [word, expected] of cases) assert.equal(expand(word, { env }), expected, word)
  assert.equal(expand('`$A\\b"$A"', { env, escapeToken: '`' }), '$A\\b1')
})

test('words that cannot be put together are refused', () => {
  const env: string[] = []
  const cases: [word: string, error: RegExp][] = [
    ['"a', /looking for matching double-quote/],
    ["'a", /looking for matching single-quote/],
    ['${a', /unsupported modifier|missing '}'/],
    ['${a:-b', /missing '}'/],
    ['${}', /bad substitution/],
    ['${a:^b}', /unsupported modifier \(\^\)/],
    ['${a:?it is missing}', /a: it is missing/],
    ['${a:-'.repeat(200), /nested too deep/],
    [`\${a:-${'x'.repeat(200_000)}}`, /more than 131072 characters/],
  ]
  for (const [word, error] of cases)
    assert.throws(() => expand(word, { env }), { kind: 'invalid', message: error }, word.slice(0, 40))
})

test('words are split at spaces outside quotes', () => {
  assert.deepEqual(splitWords('a "b c"  d\\ e \'f g\''), ['a', '"b c"', 'd\\ e', "'f g'"])
})

test('any text is read or refused as the fault of who wrote it', () => {
  const piece = fc.constantFrom(
    'FROM x',
    'RUN ',
    'COPY ',
    '\n',
    '\\\n',
    ' ',
    '"',
    "'",
    '$',
    '{',
    '}',
    '[',
    ']',
    '--from=',
    'a',
    '#',
    'ENV ',
    '=',
    '`',
    '<<EOF',
    'ARG ',
    'HEALTHCHECK ',
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
      try {
        parseDockerfile(pieces.join(''))
      } catch (error) {
        assert.equal((error as { kind?: string }).kind, 'invalid', String(error))
      }
    }),
    { numRuns: 3000 },
  )
})

test('a large file takes time in proportion', () => {
  const text = `FROM x\n${'RUN a \\\n # b\n'.repeat(60_000)} c\n`
  assert.ok(cpuMs(() => parseDockerfile(text)) < 1_000)
})
