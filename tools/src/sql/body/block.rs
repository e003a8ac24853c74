//! Blocks, their declarations and exception handlers, and what a body starts with.

use super::Unread;
use super::reader::Reader;

impl Reader<'_> {
    /// `#variable_conflict use_column` and its like: they change which of two names is meant, and what is logged.
    pub(super) fn options(&mut self) -> Result<(), Unread> {
        while self.eat("#") {
            let values: &[&str] = match self.word() {
                Some("option") => &["dump"],
                Some("print_strict_params") => &["on", "off"],
                Some("variable_conflict") => &["error", "use_variable", "use_column"],
                _ => return self.lost("an option that is not known"),
            };
            self.name()?;
            if !values.iter().any(|value| self.eat(value)) {
                return self.lost("an option that is not known");
            }
        }
        Ok(())
    }

    pub(super) fn function(&mut self) -> Result<(), Unread> {
        self.label()?;
        self.block()?;
        self.eat(";");
        if self.is_done() { Ok(()) } else { self.lost("text behind its end") }
    }

    /// `<<name>>` before a block or a loop, where there is one.
    pub(super) fn label(&mut self) -> Result<bool, Unread> {
        let found = self.eat("<<");
        if found {
            self.declared()?;
            self.require(">>")?;
        }
        Ok(found)
    }

    /// From `DECLARE` or `BEGIN` to the label behind `END`.
    pub(super) fn block(&mut self) -> Result<(), Unread> {
        if self.eat("declare") {
            while !self.is(0, "begin") {
                if !self.eat("declare") {
                    self.declaration()?;
                }
            }
        }
        self.require("begin")?;
        self.statements()?;
        if self.eat("exception") {
            // What a handler can name of the error.
            self.body.names.extend(["sqlstate".to_owned(), "sqlerrm".to_owned()]);
            self.handler()?;
            while self.is(0, "when") {
                self.handler()?;
            }
        }
        self.require("end")?;
        self.end_label()
    }

    pub(super) fn end_label(&mut self) -> Result<(), Unread> {
        if self.is_name() { self.name().map(drop) } else { Ok(()) }
    }

    fn handler(&mut self) -> Result<(), Unread> {
        self.require("when")?;
        loop {
            if self.eat("sqlstate") {
                self.text()?;
            } else {
                self.name()?;
            }
            if !self.eat("or") {
                break;
            }
        }
        self.require("then")?;
        self.statements()
    }

    fn declaration(&mut self) -> Result<(), Unread> {
        self.declared()?;
        if self.eat("alias") {
            self.require("for")?;
            self.variable()?;
            return self.require(";");
        }
        if self.eat("no") {
            self.require("scroll")?;
            self.require("cursor")?;
            return self.cursor();
        }
        if self.eat("scroll") {
            self.require("cursor")?;
            return self.cursor();
        }
        if self.eat("cursor") {
            return self.cursor();
        }
        self.eat("constant");
        self.data_type(&[";", "collate", "not", "default", ":=", "="])?;
        if self.eat("collate") {
            self.variable()?;
        }
        if self.eat("not") {
            self.require("null")?;
        }
        if self.eat(";") {
            return Ok(());
        }
        if ["default", ":=", "="].into_iter().any(|sign| self.eat(sign)) {
            return self.expression(&[";"]).map(drop);
        }
        self.lost("a declaration that is not understood")
    }

    /// A cursor's arguments and its query.
    fn cursor(&mut self) -> Result<(), Unread> {
        if self.eat("(") {
            loop {
                self.declared()?;
                self.data_type(&[",", ")"])?;
                if self.eat(")") {
                    break;
                }
                self.require(",")?;
            }
        }
        if !self.eat("is") {
            self.require("for")?;
        }
        self.query(&[";"])
    }
}
