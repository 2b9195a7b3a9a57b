// Reads the bundles that a hub sends. One bundle: a header of 12 bytes, then readings of 4 bytes each.

export const MAGIC = 0x46524c31; // "FRL1"

// Hubs cut bundles at this size, because one cellular packet must hold a whole bundle.
export const MAX_READINGS = 280;

export interface Reading {
  secondsSinceStart: number;
  celsius: number;
}

/** Temperatures are sent as hundredths of a degree, offset by 100 degrees so that they are never negative. */
export function decodeCelsius(raw: number): number {
  return raw / 100 - 100;
}

/** Throws RangeError when the header is not ours, or when the bundle was cut short. */
export function decodeBundle(view: DataView): Reading[] {
  if (view.getUint32(0) !== MAGIC) {
    throw new RangeError("not a Frostline bundle");
  }
  const count = view.getUint16(10);
  if (count > MAX_READINGS || view.byteLength < 12 + 4 * count) {
    throw new RangeError("bundle is cut short");
  }
  const readings: Reading[] = [];
  for (let i = 0; i < count; i++) {
    const at = 12 + 4 * i;
    readings.push({ secondsSinceStart: view.getUint16(at) * 10, celsius: decodeCelsius(view.getUint16(at + 2)) });
  }
  return readings;
}
