package client

import (
	"fmt"
	"io"
)

// A Config holds the client's key and a Client holds that and content keys, in
// fields whose own methods fmt does not call: they answer for their fields
// themselves.

// Format never shows the key, whatever the verb.
func (Config) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "client.Config(redacted)") }

// MarshalText never shows the key.
func (Config) MarshalText() ([]byte, error) { return []byte("client.Config(redacted)"), nil }

// Format never shows keys, whatever the verb.
func (*Client) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "client.Client(redacted)") }

// Format never shows keys, whatever the verb.
func (*GroupMember) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "client.GroupMember(redacted)")
}
