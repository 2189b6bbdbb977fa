/** An exec in Docker's JSON. */
import type { Exec } from '../../../engine/model.ts'

export function execJson(exec: Exec) {
  const { request } = exec
  const [entrypoint = '', ...args] = request.cmd
  return {
    ID: exec.id,
    Running: exec.status === 'running',
    ExitCode: exec.exitCode,
    ProcessConfig: {
      tty: request.tty,
      entrypoint,
      arguments: args,
      privileged: request.privileged,
      ...(request.user ? { user: request.user } : {}),
    },
    OpenStdin: request.attach.stdin,
    OpenStderr: request.attach.stderr,
    OpenStdout: request.attach.stdout,
    CanRemove: exec.status === 'exited',
    ContainerID: exec.container,
    DetachKeys: request.detachKeys,
    Pid: exec.pid,
  }
}
