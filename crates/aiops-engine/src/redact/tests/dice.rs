//! A small random generator with a seed, so that every run plants the same things.

/// xorshift64*.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(super) fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap() % n
    }

    pub(super) fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }

    pub(super) fn of(&mut self, alphabet: &str, length: usize) -> String {
        let letters: Vec<char> = alphabet.chars().collect();
        (0..length).map(|_| letters[self.below(letters.len())]).collect()
    }

    pub(super) fn alnum(&mut self, length: usize) -> String {
        self.of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", length)
    }

    pub(super) fn lower(&mut self, length: usize) -> String {
        self.of("abcdefghijklmnopqrstuvwxyz0123456789", length)
    }

    pub(super) fn upper(&mut self, length: usize) -> String {
        self.of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", length)
    }

    pub(super) fn hex(&mut self, length: usize) -> String {
        self.of("0123456789abcdef", length)
    }

    pub(super) fn url(&mut self, length: usize) -> String {
        self.of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", length)
    }

    pub(super) fn base64(&mut self, length: usize) -> String {
        self.of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", length)
    }

    pub(super) fn digits(&mut self, length: usize) -> String {
        self.of("0123456789", length)
    }

    /// A password a person might choose, with marks in it.
    pub(super) fn password(&mut self) -> String {
        let word = self.pick(&["Winter", "hunter", "Tr0ub4dor", "correcthorse", "S3cret", "admin"]);
        let mark = self.pick(&["!", "#", "$", "_", "-", ".", "*", "^", ""]);
        format!("{word}{mark}{}{}", self.digits(3), self.alnum(4))
    }
}
