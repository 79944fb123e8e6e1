use proptest::prelude::*;

use super::*;

fn nanos(text: &str) -> u64 {
    text.parse::<GoDuration>().unwrap_or_else(|error| panic!("{error}")).as_nanos()
}

#[test]
fn gos_syntax_is_read() {
    // Go, package time, ParseDuration: a sequence of decimal numbers, each with optional fraction and a unit.
    assert_eq!(nanos("15s"), 15_000_000_000);
    assert_eq!(nanos("1m30s"), 90_000_000_000);
    assert_eq!(nanos("1h0m0s"), 3_600_000_000_000);
    assert_eq!(nanos("1.5h"), 5_400_000_000_000);
    assert_eq!(nanos(".5s"), 500_000_000);
    assert_eq!(nanos("5.s"), 5_000_000_000);
    assert_eq!(nanos("300ms"), 300_000_000);
    assert_eq!(nanos("1us"), 1_000);
    assert_eq!(nanos("1µs"), 1_000);
    assert_eq!(nanos("1\u{3bc}s"), 1_000);
    assert_eq!(nanos("7ns"), 7);
    assert_eq!(nanos("+1s"), 1_000_000_000);
    assert_eq!(nanos("0"), 0);
    assert_eq!(nanos("0.1000000000000000001s"), 100_000_000);
    assert_eq!(nanos("9223372036854775807ns"), i64::MAX as u64);
}

#[test]
fn gos_style_is_written() {
    // Go, package time, Duration.String: leading zero units are left out, below a second one smaller unit is used.
    for (nanos, text) in [
        (0, "0s"),
        (1, "1ns"),
        (1_100, "1.1µs"),
        (2_200_000, "2.2ms"),
        (3_300_000_000, "3.3s"),
        (245_000_000_000, "4m5s"),
        (245_001_000_000, "4m5.001s"),
        (18_367_001_000_000, "5h6m7.001s"),
        (480_000_000_001, "8m0.000000001s"),
        (i64::MAX as u64, "2562047h47m16.854775807s"),
    ] {
        assert_eq!(GoDuration::from_nanos(nanos).unwrap().to_string(), text);
    }
}

#[test]
fn errors_say_what_to_write() {
    for (text, part) in [
        ("", "expected numbers with units"),
        ("15", "write `15s`"),
        ("s", "expected numbers"),
        (".s", "expected numbers"),
        ("1.2.3s", "expected numbers"),
        ("15 s", "expected numbers"),
        ("1d", "expected numbers"),
        ("-1s", "out of range"),
        ("9223372036854775808ns", "out of range"),
        ("2562048h", "out of range"),
        ("99999999999999999999999h", "out of range"),
        ("9223372036s9223372036s", "out of range"),
    ] {
        let error = text.parse::<GoDuration>().unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
}

#[test]
fn an_integer_on_the_wire_is_nanoseconds() {
    assert_eq!(serde_json::from_str::<GoDuration>("15000000000").unwrap(), GoDuration::from_secs(15));
    assert_eq!(serde_json::to_string(&GoDuration::from_millis(1_500)).unwrap(), "\"1.5s\"");
    assert!(serde_json::from_str::<GoDuration>("-1").unwrap_err().to_string().contains("out of range"));
    assert!(serde_json::from_str::<GoDuration>("9223372036854775808").is_err());
    assert!(serde_json::from_str::<GoDuration>("1.5").is_err());
    assert!(serde_json::from_str::<GoDuration>("true").unwrap_err().to_string().contains("nanoseconds"));
}

#[test]
fn std_durations_convert_within_the_range() {
    assert_eq!(GoDuration::try_from(Duration::from_secs(5)).unwrap(), GoDuration::from_secs(5));
    assert!(GoDuration::try_from(Duration::MAX).is_err());
    assert_eq!(Duration::from(GoDuration::from_secs(2)), Duration::from_secs(2));
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(nanos in 0..=i64::MAX as u64) {
        let duration = GoDuration::from_nanos(nanos).unwrap();
        prop_assert_eq!(duration.to_string().parse::<GoDuration>().unwrap(), duration);
        let json = serde_json::to_string(&duration).unwrap();
        prop_assert_eq!(serde_json::from_str::<GoDuration>(&json).unwrap(), duration);
        prop_assert_eq!(serde_json::from_str::<GoDuration>(&nanos.to_string()).unwrap(), duration);
    }

    #[test]
    fn short_durations_are_read_back(nanos in 0..2_000_000_000u64) {
        let duration = GoDuration::from_nanos(nanos).unwrap();
        prop_assert_eq!(duration.to_string().parse::<GoDuration>().unwrap(), duration);
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,24}") {
        let _ = text.parse::<GoDuration>();
    }

    #[test]
    fn no_near_miss_panics(text in "[-+0-9.hmsunµ]{0,40}") {
        let _ = text.parse::<GoDuration>();
    }
}
