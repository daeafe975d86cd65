//! A stream that can go back a little: what is decoded on the way can't be sought in, and a CSV
//! reader goes back at most to the beginning of the row it is in.

use std::io::{self, Read, Seek, SeekFrom};

/// Reads a stream and keeps the last bytes of it.
pub struct Window<R> {
    from: R,
    kept: Vec<u8>,
    /// The place in the stream of the first byte kept.
    base: u64,
    /// The place that is read next.
    at: u64,
    /// How far back one can go, at least.
    reach: usize,
}

impl<R: Read> Window<R> {
    /// A stream in which one can go back `reach` bytes.
    pub const fn new(from: R, reach: usize) -> Self {
        Self { from, kept: Vec::new(), base: 0, at: 0, reach }
    }

    fn kept_until(&self) -> u64 {
        self.base + self.kept.len() as u64
    }
}

impl<R: Read> Read for Window<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.kept_until() {
            // Twice the reach, so that forgetting costs little.
            if self.kept.len() > 2 * self.reach {
                let gone = self.kept.len() - self.reach;
                self.kept.drain(..gone);
                self.base += gone as u64;
            }
            let read = self.from.read(buffer)?;
            self.kept.extend_from_slice(&buffer[..read]);
            self.at += read as u64;
            return Ok(read);
        }
        let from = usize::try_from(self.at - self.base).unwrap_or(self.kept.len());
        let again = &self.kept[from..];
        let most = buffer.len().min(again.len());
        buffer[..most].copy_from_slice(&again[..most]);
        self.at += most as u64;
        Ok(most)
    }
}

impl<R: Read> Seek for Window<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let place = match to {
            SeekFrom::Start(place) => Some(place),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(_) => None,
        };
        match place.filter(|place| (self.base..=self.kept_until()).contains(place)) {
            Some(place) => {
                self.at = place;
                Ok(place)
            }
            None => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_can_go_back_within_reach_and_no_further() {
        let bytes: Vec<u8> = (0..200u8).collect();
        let mut window = Window::new(&bytes[..], 10);
        let mut piece = [0; 7];
        for _ in 0..10 {
            window.read_exact(&mut piece).unwrap();
        }
        window.seek(SeekFrom::Start(60)).unwrap();
        window.read_exact(&mut piece).unwrap();
        assert_eq!(piece[0], 60);
        assert!(window.seek(SeekFrom::Start(1)).is_err());
        let mut rest = Vec::new();
        window.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, bytes[67..]);
    }
}
