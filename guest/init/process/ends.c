#include "process/ends.h"
#include "lib/cleanup.h"
#include "lib/sys.h"
#include <sys/ioctl.h>

void
ends_close (struct ends *ends)
{
  for (int i = 0; i < 3; i++)
    {
      if (i > 0 && ends->theirs[i] == ends->theirs[0])
        ends->theirs[i] = -1;
      close_and_forget (&ends->ours[i]);
      close_and_forget (&ends->theirs[i]);
    }
}

static int
set_size (int terminal, uint32_t rows, uint32_t columns)
{
  struct winsize size = { .ws_row = (unsigned short) rows, .ws_col = (unsigned short) columns };
  return rows || columns ? ioctl (terminal, TIOCSWINSZ, &size) : 0;
}

int
ends_open_terminal (struct ends *ends, int pts, uint32_t rows, uint32_t columns, struct error *err)
{
  int unlock = 0;
  /* Nothing that the container may have mounted there. */
  ends->ours[1] = sys_openat2 (pts, "ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK, 0,
                               RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS);
  if (ends->ours[1] < 0 || ioctl (ends->ours[1], TIOCSPTLCK, &unlock) < 0)
    return error_errno (err, "open a terminal");
  ends->theirs[0] = ioctl (ends->ours[1], TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (ends->theirs[0] < 0 || set_size (ends->ours[1], rows, columns) < 0)
    return error_errno (err, "open a terminal");
  ends->theirs[1] = ends->theirs[2] = ends->theirs[0];
  return 0;
}

int
ends_open_pipes (struct ends *ends, bool with_stdin, struct error *err)
{
  for (int i = with_stdin ? 0 : 1; i < 3; i++)
    {
      int pair[2];
      if (pipe2 (pair, O_CLOEXEC) < 0)
        return error_errno (err, "pipe");
      ends->ours[i] = pair[i == 0];
      ends->theirs[i] = pair[i != 0];
      if (fcntl (ends->ours[i], F_SETFL, O_NONBLOCK) < 0)
        return error_errno (err, "pipe");
    }
  return 0;
}

void
ends_take_over (struct ends *ends, struct process *process, bool tty)
{
  process->tty = tty;
  stream_open (&process->out[0], ends->ours[1]);
  if (!tty)
    stream_open (&process->out[1], ends->ours[2]);
  input_open (&process->in, tty ? ends->ours[1] : ends->ours[0], tty);
  for (int i = 0; i < 3; i++)
    ends->ours[i] = -1;
}
