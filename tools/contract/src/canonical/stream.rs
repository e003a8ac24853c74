//! Canonical JSON written as a value tells of itself, without making it into a [`serde_json::Value`] first: this is in the way
//! of every call, more than once. Whatever is rare and needs more than one pass is left to the way through a value.

use std::cmp::Ordering;
use std::fmt::{self, Display, Write as _};
use std::ops::Range;

use serde::ser::{
    self, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::{EXACT, escaped, float, order, string};

/// The canonical text; `None` where only the way through a value tells it, or that there is none.
pub(super) fn written<T: Serialize + ?Sized>(value: &T) -> Option<String> {
    let mut writer = Writer { text: String::with_capacity(512) };
    value.serialize(&mut writer).ok()?;
    Some(writer.text)
}

struct Writer {
    text: String,
}

/// It has to go through a value.
#[derive(Debug)]
struct OtherWay;

impl Display for OtherWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it has to go through a value")
    }
}

impl std::error::Error for OtherWay {}

impl ser::Error for OtherWay {
    fn custom<T: Display>(_: T) -> Self {
        Self
    }
}

impl Writer {
    fn open(&mut self, bracket: char, is_in_variant: bool) -> Open<'_> {
        self.text.push(bracket);
        let begins = self.text.len();
        Open { writer: self, begins, fields: Vec::new(), is_in_variant }
    }

    /// `{"variant":`, whose end comes with that of what is in it.
    fn open_variant(&mut self, variant: &str) {
        self.text.push('{');
        string(&mut self.text, variant);
        self.text.push(':');
    }
}

/// An array or an object whose end has not come yet.
struct Open<'a> {
    writer: &'a mut Writer,
    /// Where the first thing in it begins.
    begins: usize,
    /// Where each field of an object is: its key without quotes, and where its value ends.
    fields: Vec<(Range<usize>, usize)>,
    is_in_variant: bool,
}

impl Open<'_> {
    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), OtherWay> {
        if self.writer.text.len() > self.begins {
            self.writer.text.push(',');
        }
        value.serialize(&mut *self.writer)
    }

    fn close_array(self) {
        self.writer.text.push(']');
        if self.is_in_variant {
            self.writer.text.push('}');
        }
    }

    fn key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), OtherWay> {
        if !self.fields.is_empty() {
            self.writer.text.push(',');
        }
        let from = self.writer.text.len();
        key.serialize(&mut *self.writer)?;
        let to = self.writer.text.len();
        let written = &self.writer.text[from..to];
        // Keys that are no text, and those that do not stand there as they are compared.
        if !written.starts_with('"') || written.contains('\\') {
            return Err(OtherWay);
        }
        self.writer.text.push(':');
        self.fields.push((from + 1..to - 1, to));
        Ok(())
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), OtherWay> {
        value.serialize(&mut *self.writer)?;
        if let Some((_, ends)) = self.fields.last_mut() {
            *ends = self.writer.text.len();
        }
        Ok(())
    }

    fn close_object(mut self) -> Result<(), OtherWay> {
        let text = &self.writer.text;
        let compared = |one: &(Range<usize>, usize), other: &(Range<usize>, usize)| {
            order(&text[one.0.clone()], &text[other.0.clone()])
        };
        if !self.fields.is_sorted_by(|one, other| compared(one, other) == Ordering::Less) {
            self.fields.sort_unstable_by(compared);
            // Of two fields of one name the last counts.
            if self.fields.windows(2).any(|two| compared(&two[0], &two[1]) == Ordering::Equal) {
                return Err(OtherWay);
            }
            let mut sorted = String::with_capacity(text.len() - self.begins + 1);
            for (key, ends) in &self.fields {
                if !sorted.is_empty() {
                    sorted.push(',');
                }
                sorted.push_str(&text[key.start - 1..*ends]);
            }
            self.writer.text.truncate(self.begins);
            self.writer.text.push_str(&sorted);
        }
        self.writer.text.push('}');
        if self.is_in_variant {
            self.writer.text.push('}');
        }
        Ok(())
    }
}

macro_rules! integers {
    ($($method:ident: $type:ty),*) => {$(
        fn $method(self, n: $type) -> Result<(), OtherWay> {
            self.serialize_i64(i64::from(n))
        }
    )*};
}

impl<'a> Serializer for &'a mut Writer {
    type Ok = ();
    type Error = OtherWay;
    type SerializeSeq = Open<'a>;
    type SerializeTuple = Open<'a>;
    type SerializeTupleStruct = Open<'a>;
    type SerializeTupleVariant = Open<'a>;
    type SerializeMap = Open<'a>;
    type SerializeStruct = Open<'a>;
    type SerializeStructVariant = Open<'a>;

    integers!(
        serialize_i8: i8,
        serialize_i16: i16,
        serialize_i32: i32,
        serialize_u8: u8,
        serialize_u16: u16,
        serialize_u32: u32
    );

    fn serialize_bool(self, value: bool) -> Result<(), OtherWay> {
        self.text.push_str(if value { "true" } else { "false" });
        Ok(())
    }

    fn serialize_i64(self, n: i64) -> Result<(), OtherWay> {
        if n.unsigned_abs() > EXACT {
            return Err(OtherWay);
        }
        write!(self.text, "{n}").map_err(|_| OtherWay)
    }

    fn serialize_u64(self, n: u64) -> Result<(), OtherWay> {
        if n > EXACT {
            return Err(OtherWay);
        }
        write!(self.text, "{n}").map_err(|_| OtherWay)
    }

    /// A value holds it as the double it is nearest to.
    fn serialize_f32(self, _: f32) -> Result<(), OtherWay> {
        Err(OtherWay)
    }

    fn serialize_f64(self, double: f64) -> Result<(), OtherWay> {
        match double.is_finite() {
            true => float(&mut self.text, double),
            false => self.text.push_str("null"),
        }
        Ok(())
    }

    fn serialize_char(self, c: char) -> Result<(), OtherWay> {
        self.serialize_str(c.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, text: &str) -> Result<(), OtherWay> {
        string(&mut self.text, text);
        Ok(())
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<(), OtherWay> {
        Err(OtherWay)
    }

    fn serialize_none(self) -> Result<(), OtherWay> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), OtherWay> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), OtherWay> {
        self.text.push_str("null");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), OtherWay> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), OtherWay> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), OtherWay> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), OtherWay> {
        self.open_variant(variant);
        value.serialize(&mut *self)?;
        self.text.push('}');
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Open<'a>, OtherWay> {
        Ok(self.open('[', false))
    }

    fn serialize_tuple(self, _: usize) -> Result<Open<'a>, OtherWay> {
        Ok(self.open('[', false))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Open<'a>, OtherWay> {
        Ok(self.open('[', false))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Open<'a>, OtherWay> {
        self.open_variant(variant);
        Ok(self.open('[', true))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Open<'a>, OtherWay> {
        Ok(self.open('{', false))
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Open<'a>, OtherWay> {
        // What serde_json makes something else of than an object.
        if name.starts_with("$serde_json::") {
            return Err(OtherWay);
        }
        Ok(self.open('{', false))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Open<'a>, OtherWay> {
        self.open_variant(variant);
        Ok(self.open('{', true))
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<(), OtherWay> {
        self.text.push('"');
        write!(Escaping(&mut self.text), "{value}").map_err(|_| OtherWay)?;
        self.text.push('"');
        Ok(())
    }
}

/// Escapes what is displayed piece by piece.
struct Escaping<'a>(&'a mut String);

impl fmt::Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        escaped(self.0, text);
        Ok(())
    }
}

macro_rules! arrays {
    ($($kind:ident.$method:ident),*) => {$(
        impl $kind for Open<'_> {
            type Ok = ();
            type Error = OtherWay;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), OtherWay> {
                self.item(value)
            }

            fn end(self) -> Result<(), OtherWay> {
                self.close_array();
                Ok(())
            }
        }
    )*};
}

arrays!(
    SerializeSeq.serialize_element,
    SerializeTuple.serialize_element,
    SerializeTupleStruct.serialize_field,
    SerializeTupleVariant.serialize_field
);

macro_rules! objects {
    ($($kind:ident),*) => {$(
        impl $kind for Open<'_> {
            type Ok = ();
            type Error = OtherWay;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), OtherWay> {
                self.key(key)?;
                self.value(value)
            }

            fn end(self) -> Result<(), OtherWay> {
                self.close_object()
            }
        }
    )*};
}

objects!(SerializeStruct, SerializeStructVariant);

impl SerializeMap for Open<'_> {
    type Ok = ();
    type Error = OtherWay;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), OtherWay> {
        self.key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), OtherWay> {
        self.value(value)
    }

    fn end(self) -> Result<(), OtherWay> {
        self.close_object()
    }
}
