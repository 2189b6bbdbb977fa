import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { familiar, parseReference, repositoryOf, withDefaultTag } from './reference.ts'

const hex = 'a'.repeat(64)

test('short names are completed and shown short again', () => {
  const cases: [text: string, repository: string, tag: string | undefined, shown: string][] = [
    ['nginx', 'docker.io/library/nginx', 'latest', 'nginx:latest'],
    ['nginx:1.27', 'docker.io/library/nginx', '1.27', 'nginx:1.27'],
    ['library/nginx', 'docker.io/library/nginx', 'latest', 'nginx:latest'],
    ['docker.io/nginx', 'docker.io/library/nginx', 'latest', 'nginx:latest'],
    ['index.docker.io/library/nginx', 'docker.io/library/nginx', 'latest', 'nginx:latest'],
    ['me/app', 'docker.io/me/app', 'latest', 'me/app:latest'],
    ['localhost/app', 'localhost/app', 'latest', 'localhost/app:latest'],
    ['localhost:5000/a/b/c:x', 'localhost:5000/a/b/c', 'x', 'localhost:5000/a/b/c:x'],
    ['[::1]:5000/a', '[::1]:5000/a', 'latest', '[::1]:5000/a:latest'],
    ['quay.io/a__b/c-d', 'quay.io/a__b/c-d', 'latest', 'quay.io/a__b/c-d:latest'],
    ['Registry/app', 'Registry/app', 'latest', 'Registry/app:latest'],
  ]
  for (const [text, repository, tag, shown] of cases) {
    const reference = withDefaultTag(parseReference(text))
    assert.equal(repositoryOf(reference), repository, text)
    assert.equal(reference.tag, tag, text)
    assert.equal(familiar(reference), shown, text)
  }
})

test('a digest is kept, alone or beside a tag, and no tag is added to it', () => {
  assert.equal(familiar(withDefaultTag(parseReference(`nginx@sha256:${hex}`))), `nginx@sha256:${hex}`)
  assert.equal(familiar(parseReference(`a.b/c:t@sha256:${hex}`)), `a.b/c:t@sha256:${hex}`)
})

test('what is no name is refused in the words of dockerd', () => {
  const cases: [text: string, message: string][] = [
    ['Foo', 'invalid reference format: repository name (library/Foo) must be lowercase'],
    ['a/Foo:x', 'invalid reference format: repository name (a/Foo) must be lowercase'],
    [hex, `invalid repository name (${hex}), cannot specify 64-byte hexadecimal strings`],
    ['', 'invalid reference format'],
    ['a:', 'invalid reference format'],
    ['a//b', 'invalid reference format'],
    ['../a', 'invalid reference format'],
    ['a/../b', 'invalid reference format'],
    ['-a', 'invalid reference format'],
    ['a:-x', 'invalid reference format'],
    ['a b', 'invalid reference format'],
    ['a@sha256:abc', 'invalid reference format'],
    [`a@sha512:${hex}${hex}`, 'unsupported digest algorithm'],
    ['http://a/b', 'invalid reference format'],
    ['a'.repeat(256), 'repository name must not be more than 255 characters'],
  ]
  for (const [text, message] of cases) {
    assert.throws(() => parseReference(text), { kind: 'invalid', message }, JSON.stringify(text))
  }
})

test('any text is either refused or shown in a form that means the same', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'abA0./:@-_['), maxLength: 30 }), (text) => {
      let reference: ReturnType<typeof parseReference>
      try {
        reference = parseReference(text)
      } catch {
        return
      }
      assert.deepEqual(parseReference(familiar(reference)), reference)
    }),
    { numRuns: 5000 },
  )
})
