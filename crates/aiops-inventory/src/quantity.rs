//! Kubernetes quantities as integers: millicores for CPU, bytes for memory and storage, plain counts.
//!
//! Rounds up, as the scheduler does. It does not format for people; answers carry the integers.

/// CPU in millicores: `2`, `250m`, `1.5`, `1e3m` is not written by anybody and is refused.
pub fn cpu_milli(text: &str) -> Option<i64> {
    scaled(text, 1_000)
}

/// Bytes: `128Mi`, `1G`, `1e9`, `1500m` (rounded up).
pub fn bytes(text: &str) -> Option<i64> {
    scaled(text, 1)
}

/// A count, such as `pods: "110"` or `count/secrets: 1k`.
pub fn count(text: &str) -> Option<i64> {
    scaled(text, 1)
}

/// The value times `unit`, rounded up; `None` when it is not a quantity or does not fit in 63 bits.
fn scaled(text: &str, unit: i64) -> Option<i64> {
    let text = text.trim();
    let split =
        text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '-' || c == '+')).unwrap_or(text.len());
    let (digits, suffix) = text.split_at_checked(split)?;
    let (mantissa, fraction_digits) = mantissa(digits)?;
    let (num, den) = suffix_factor(suffix)?;
    let den = den.checked_mul(10_i128.checked_pow(fraction_digits)?)?;
    let scaled = mantissa.checked_mul(num)?.checked_mul(i128::from(unit))?;
    let rounded = scaled.div_euclid(den) + i128::from(scaled.rem_euclid(den) != 0);
    i64::try_from(rounded).ok()
}

fn mantissa(digits: &str) -> Option<(i128, u32)> {
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.len() + fraction.len() > 24
        || (whole.trim_start_matches(['-', '+']).is_empty() && fraction.is_empty())
    {
        return None;
    }
    if !fraction.chars().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let joined = format!("{whole}{fraction}");
    Some((joined.parse().ok()?, u32::try_from(fraction.len()).ok()?))
}

/// The factor of a suffix as a fraction.
fn suffix_factor(suffix: &str) -> Option<(i128, i128)> {
    Some(match suffix {
        "" => (1, 1),
        "n" => (1, 1_000_000_000),
        "u" => (1, 1_000_000),
        "m" => (1, 1_000),
        "k" => (1_000, 1),
        "M" => (1_000_000, 1),
        "G" => (1_000_000_000, 1),
        "T" => (1_000_000_000_000, 1),
        "P" => (1_000_000_000_000_000, 1),
        "E" => (1_000_000_000_000_000_000, 1),
        "Ki" => (1 << 10, 1),
        "Mi" => (1 << 20, 1),
        "Gi" => (1 << 30, 1),
        "Ti" => (1 << 40, 1),
        "Pi" => (1 << 50, 1),
        "Ei" => (1 << 60, 1),
        _ => return exponent(suffix),
    })
}

fn exponent(suffix: &str) -> Option<(i128, i128)> {
    let power: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    let factor = 10_i128.checked_pow(power.unsigned_abs().min(30))?;
    Some(if power >= 0 { (factor, 1) } else { (1, factor) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_of_the_api_become_integers() {
        for (text, want) in
            [("250m", 250), ("2", 2_000), ("1.5", 1_500), ("0.0001", 1), ("100n", 1), ("1e2", 100_000)]
        {
            assert_eq!(cpu_milli(text), Some(want), "{text}");
        }
        for (text, want) in [
            ("128Mi", 134_217_728),
            ("1G", 1_000_000_000),
            ("1500m", 2),
            ("1e3", 1_000),
            ("0.5Gi", 536_870_912),
        ] {
            assert_eq!(bytes(text), Some(want), "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused_and_never_zero() {
        for text in ["", "m", "Mi", "1.2.3", "1X", "--1", "1e", "99999999999999999999E", "1 Gi", "0x10"] {
            assert_eq!(bytes(text), None, "{text:?}");
        }
    }
}
