//! Bounded numbers, and those without bounds as JSON has them.

use schemars::json_schema;
use serde::Serialize;
use serde_json::Value;

use crate::field::{Field, FieldErrors, Place, expected, inline_schema, quoted};

/// An integer from `MIN` to `MAX`; a float without a fraction counts as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Integer<const MIN: i64, const MAX: i64>(i64);

impl<const MIN: i64, const MAX: i64> Integer<MIN, MAX> {
    /// Takes an integer that is within bounds.
    ///
    /// # Errors
    ///
    /// The bounds and what was found.
    pub fn new(number: i64) -> Result<Self, String> {
        if (MIN..=MAX).contains(&number) {
            return Ok(Self(number));
        }
        Err(format!(
            "expected an integer from {MIN} to {MAX}, found {number}"
        ))
    }

    /// Gives the number.
    pub const fn get(self) -> i64 {
        self.0
    }
}

/// Gives the integer that a JSON number stands for; `None` where it has a fraction or needs more than 64 bits.
fn integral(number: &serde_json::Number) -> Option<i64> {
    /// 2^63: the first float above every i64.
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    number.as_i64().or_else(|| {
        let float = number.as_f64()?;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "integral and within the bounds of i64 by the guard"
        )]
        (float.fract() == 0.0 && (-LIMIT..LIMIT).contains(&float)).then_some(float as i64)
    })
}

impl<const MIN: i64, const MAX: i64> Field for Integer<MIN, MAX> {
    fn read(value: &Value, at: Place<'_>, errors: &mut FieldErrors) -> Option<Self> {
        let Value::Number(number) = value else {
            errors.add(at, expected("an integer", value));
            return None;
        };
        match integral(number).map(Self::new) {
            Some(Ok(integer)) => return Some(integer),
            Some(Err(problem)) => errors.add(at, problem),
            None => errors.add(
                at,
                format!("expected an integer from {MIN} to {MAX}, found {number}"),
            ),
        }
        None
    }
}

inline_schema!([const MIN: i64, const MAX: i64] Integer<MIN, MAX>, {
    json_schema!({"type": "integer", "minimum": MIN, "maximum": MAX})
});

/// A process id: 1 to 4194304 (2^22, the kernel's limit). Read from an integer, a float without a fraction, or a
/// decimal string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Pid(Integer<1, 4_194_304>);

impl Pid {
    /// Takes a process id.
    ///
    /// # Errors
    ///
    /// The bounds and what was found.
    pub fn new(number: i64) -> Result<Self, String> {
        Integer::new(number).map(Self)
    }

    /// Gives the number.
    pub const fn get(self) -> i64 {
        self.0.get()
    }
}

impl Field for Pid {
    fn read(value: &Value, at: Place<'_>, errors: &mut FieldErrors) -> Option<Self> {
        let Value::String(text) = value else {
            return Integer::read(value, at, errors).map(Self);
        };
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits
            .then(|| text.trim_start_matches('0').parse().ok())
            .flatten();
        let pid = number
            .and_then(|number| Integer::new(number).ok())
            .map(Self);
        if pid.is_none() {
            errors.add(
                at,
                format!(
                    "expected an integer from 1 to 4194304, found {}",
                    quoted(text)
                ),
            );
        }
        pid
    }
}

inline_schema!(Pid, {
    json_schema!({
        "type": ["integer", "string"],
        "minimum": 1,
        "maximum": 4_194_304,
        "pattern": "^0*([1-9][0-9]{0,5}|[1-3][0-9]{6}|40[0-9]{5}|41[0-8][0-9]{4}|419[0-3][0-9]{3}\
            |4194[0-2][0-9]{2}|419430[0-4])$",
    })
});

/// A finite number that is not negative.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Number(f64);

impl Number {
    /// Takes a number that is finite and not negative; anything else becomes 0.
    pub fn saturating(number: f64) -> Self {
        Self(if number.is_finite() {
            number.max(0.0)
        } else {
            0.0
        })
    }

    /// Gives the number.
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl Field for Number {
    fn read(value: &Value, at: Place<'_>, errors: &mut FieldErrors) -> Option<Self> {
        let Some(number) = value.as_f64() else {
            errors.add(at, expected("a number", value));
            return None;
        };
        if number < 0.0 {
            errors.add(
                at,
                format!("expected a number of at least 0, found {number}"),
            );
            return None;
        }
        // -0.0 is not below zero; it is written as the zero that it equals.
        Some(Self(number.abs()))
    }
}

inline_schema!(Number, json_schema!({"type": "number", "minimum": 0}));

impl Field for f64 {
    fn read(value: &Value, at: Place<'_>, errors: &mut FieldErrors) -> Option<Self> {
        let number = value.as_f64();
        if number.is_none() {
            errors.add(at, expected("a number", value));
        }
        number
    }
}

impl Field for bool {
    fn read(value: &Value, at: Place<'_>, errors: &mut FieldErrors) -> Option<Self> {
        let boolean = value.as_bool();
        if boolean.is_none() {
            errors.add(at, expected("a boolean", value));
        }
        boolean
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_float_without_a_fraction_is_an_integer_up_to_the_last_one() {
        type Any = Integer<{ i64::MIN }, { i64::MAX }>;
        assert_eq!(Any::from_json(&json!(7.0)).map(Integer::get), Ok(7));
        assert_eq!(
            Any::from_json(&json!(-9_223_372_036_854_775_808.0)).map(Integer::get),
            Ok(i64::MIN)
        );
        for refused in [
            json!(7.5),
            json!(9.3e18),
            json!(u64::MAX),
            json!("7"),
            json!(true),
        ] {
            assert!(Any::from_json(&refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn a_pid_is_within_the_kernels_bounds() {
        assert_eq!(Pid::new(4_194_304).map(Pid::get), Ok(4_194_304));
        assert!(Pid::new(0).is_err() && Pid::new(4_194_305).is_err());
    }
}
