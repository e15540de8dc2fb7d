//! Pictures of people: PNG files of one colour.

use std::io::Write;

use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};

/// Width and height in pixels.
const SIDE: u32 = 64;
const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Returns a square of one colour as a PNG file (W3C "Portable Network Graphics"): 8 bits of red, green and
/// blue a pixel.
pub(crate) fn png(color: [u8; 3]) -> Vec<u8> {
    let mut header = Vec::new();
    header.extend(SIDE.to_be_bytes());
    header.extend(SIDE.to_be_bytes());
    // Bit depth, colour type, compression, filter, interlace.
    header.extend([8, 2, 0, 0, 0]);
    let mut row = vec![0];
    row.extend((0..SIDE).flat_map(|_| color));
    let mut file = SIGNATURE.to_vec();
    chunk(&mut file, *b"IHDR", &header);
    chunk(&mut file, *b"IDAT", &deflated(&row.repeat(SIDE as usize)));
    chunk(&mut file, *b"IEND", &[]);
    file
}

fn deflated(rows: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    match encoder.write_all(rows).and_then(|()| encoder.finish()) {
        Ok(bytes) => bytes,
        Err(error) => panic!("a write to memory failed: {error}"),
    }
}

fn chunk(file: &mut Vec<u8>, name: [u8; 4], content: &[u8]) {
    let length = u32::try_from(content.len()).unwrap_or(u32::MAX);
    file.extend(length.to_be_bytes());
    file.extend(name);
    file.extend(content);
    let mut crc = Crc::new();
    crc.update(&name);
    crc.update(content);
    file.extend(crc.sum().to_be_bytes());
}
