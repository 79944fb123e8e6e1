//! Identifiers in the shapes Fly uses: 14 hex digits for a machine, 26 Crockford characters for the rest.

use crate::clock;

const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Chance: a stand-in's ids, ports and addresses are its own and replayed by nobody.
#[expect(clippy::disallowed_methods, reason = "this is where chance enters localcloud")]
pub(crate) fn chance() -> u128 {
    rand::random()
}

/// 14 lower-case hex digits.
pub(crate) fn machine_id() -> String {
    format!("{:014x}", chance() & 0x00ff_ffff_ffff_ffff)
}

/// A ULID: 48 bits of milliseconds, 80 of randomness; sorts by time.
pub(crate) fn ulid() -> String {
    let ms = u128::from(clock::now_us() / 1000) & 0xffff_ffff_ffff;
    let mut bits = (ms << 80) | (chance() >> 48);
    let mut out = [0u8; 26];
    for slot in out.iter_mut().rev() {
        *slot = CROCKFORD[usize::try_from(bits & 31).unwrap_or(0)];
        bits >>= 5;
    }
    out.iter().map(|b| char::from(*b)).collect()
}

/// A secret of 128 random bits in hex, for lease nonces and temporary names.
pub(crate) fn nonce() -> String {
    format!("{:032x}", chance())
}

#[cfg(test)]
mod tests {
    #[test]
    fn shapes_are_those_of_fly() {
        assert_eq!(super::machine_id().len(), 14);
        let (a, b) = (super::ulid(), super::ulid());
        assert_eq!(a.len(), 26);
        assert!(a != b && a.bytes().all(|c| super::CROCKFORD.contains(&c)));
    }
}
