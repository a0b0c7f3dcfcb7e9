// Several files in one ZIP archive, uncompressed: pictures are compressed already.

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value >>> 0;
});

function checksum(bytes) {
  let value = 0xffffffff;
  for (const byte of bytes) value = TABLE[(value ^ byte) & 255] ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}

function fields(...pairs) {
  const view = new DataView(new ArrayBuffer(pairs.reduce((sum, [width]) => sum + width, 0)));
  let at = 0;
  for (const [width, value] of pairs) {
    if (width === 4) view.setUint32(at, value, true);
    else view.setUint16(at, value, true);
    at += width;
  }
  return view.buffer;
}

// "a.jpg", "a-2.jpg", ...: every name once.
function unique(names) {
  const taken = new Set();
  return names.map((name) => {
    const [, stem, end] = /^(.*?)(\.[^.]*)?$/s.exec(name);
    let free = name;
    for (let n = 2; taken.has(free); n += 1) free = `${stem}-${n}${end ?? ""}`;
    taken.add(free);
    return free;
  });
}

// `entries` are { name, blob }; all of them together must be below 4 GB.
export async function zipped(entries) {
  const now = new Date();
  const time = (now.getHours() << 11) | (now.getMinutes() << 5) | (now.getSeconds() >> 1);
  const day = ((now.getFullYear() - 1980) << 9) | ((now.getMonth() + 1) << 5) | now.getDate();
  const names = unique(entries.map((entry) => entry.name));
  const pieces = [];
  const directory = [];
  let offset = 0;
  let listed = 0;
  for (const [index, { blob }] of entries.entries()) {
    const name = new TextEncoder().encode(names[index]);
    const sum = checksum(new Uint8Array(await blob.arrayBuffer()));
    // Version 2.0, names in UTF-8, stored.
    const common = [[2, 20], [2, 0x0800], [2, 0], [2, time], [2, day], [4, sum], [4, blob.size], [4, blob.size]];
    const head = fields([4, 0x04034b50], ...common, [2, name.length], [2, 0]);
    pieces.push(head, name, blob);
    const entry = [[2, name.length], [2, 0], [2, 0], [2, 0], [2, 0], [4, 0], [4, offset]];
    directory.push(fields([4, 0x02014b50], [2, 20], ...common, ...entry), name);
    offset += head.byteLength + name.length + blob.size;
    listed += 46 + name.length;
  }
  const count = entries.length;
  const end = fields([4, 0x06054b50], [2, 0], [2, 0], [2, count], [2, count], [4, listed], [4, offset], [2, 0]);
  return new Blob([...pieces, ...directory, end], { type: "application/zip" });
}
