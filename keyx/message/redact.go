package message

import (
	"fmt"
	"io"
)

// A Header and an Envelope hold a content key. However they are printed, logged or marshalled, they say
// "redacted" and nothing of their content. fmt calls no method of an unexported field: a struct that
// holds one of them in such a field has to answer for itself, or not be printed.

const (
	redactedHeader   = "message.Header(redacted)"
	redactedEnvelope = "message.Envelope(redacted)"
)

// String never shows content.
func (Header) String() string { return redactedHeader }

// GoString never shows content.
func (Header) GoString() string { return redactedHeader }

// Format never shows content, whatever the verb.
func (Header) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redactedHeader) }

// MarshalText never shows content.
func (Header) MarshalText() ([]byte, error) { return []byte(redactedHeader), nil }

// String never shows content.
func (Envelope) String() string { return redactedEnvelope }

// GoString never shows content.
func (Envelope) GoString() string { return redactedEnvelope }

// Format never shows content, whatever the verb.
func (Envelope) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redactedEnvelope) }

// MarshalText never shows content.
func (Envelope) MarshalText() ([]byte, error) { return []byte(redactedEnvelope), nil }
