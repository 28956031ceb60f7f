/** Addresses and networks, compared as numbers. */

/**
 * @param {string} written IPv4 or IPv6
 * @returns {{bits: 32|128, value: bigint}|null}
 */
export function address(written) {
  return written.includes(":") ? v6(written) : v4(written);
}

/**
 * @param {string} written `10.1.0.0/24`, or one address
 * @returns {((written: string) => boolean)|null} whether an address is in it; null where it is none
 */
export function network(written) {
  const [base, length] = written.split("/");
  const first = address(base);
  if (first === null || (length !== undefined && !/^\d{1,3}$/.test(length))) {
    return null;
  }
  const bits = length === undefined ? first.bits : Number(length);
  if (bits > first.bits) {
    return null;
  }
  const shift = BigInt(first.bits - bits);
  return (other) => {
    const own = address(other);
    return own !== null && own.bits === first.bits && own.value >> shift === first.value >> shift;
  };
}

function v4(written) {
  const parts = written.split(".");
  if (parts.length !== 4 || !parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) < 256)) {
    return null;
  }
  return { bits: 32, value: parts.reduce((value, part) => value * 256n + BigInt(part), 0n) };
}

function v6(written) {
  const halves = written.toLowerCase().split("::");
  if (halves.length > 2) {
    return null;
  }
  const groups = halves.map((half) => (half === "" ? [] : half.split(":")));
  const missing = 8 - groups.flat().length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) {
    return null;
  }
  const all = halves.length === 1 ? groups[0] : [...groups[0], ...Array(missing).fill("0"), ...groups[1]];
  if (!all.every((group) => /^[0-9a-f]{1,4}$/.test(group))) {
    return null;
  }
  return { bits: 128, value: all.reduce((value, group) => value * 65536n + BigInt(`0x${group}`), 0n) };
}
