/** Numeric users and groups of the host that more than one part of it must agree on; none has a name or a log-in. */

/** Whose members may open the taps of sandboxes. */
export const tapGid = 199_999
