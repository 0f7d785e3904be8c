package keyx

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"hash"
)

const redacted = "redacted"

// secret32 is a key in memory. However it is printed or marshalled, it says "redacted".
type secret32 [32]byte

// String never shows the key.
func (secret32) String() string { return redacted }

// GoString never shows the key.
func (secret32) GoString() string { return redacted }

// Format never shows the key, whatever the verb.
func (secret32) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// MarshalText never shows the key.
func (secret32) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON never shows the key.
func (secret32) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// secretBytes is key material of other lengths, with the same manners.
type secretBytes []byte

// String never shows the bytes.
func (secretBytes) String() string { return redacted }

// GoString never shows the bytes.
func (secretBytes) GoString() string { return redacted }

// Format never shows the bytes, whatever the verb.
func (secretBytes) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// MarshalText never shows the bytes.
func (secretBytes) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON never shows the bytes.
func (secretBytes) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// The types below hold keys in unexported fields, where fmt calls no method of the field but prints the
// bytes: they answer for their fields themselves.

// Format never shows keys.
func (keys) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// Format never shows keys.
func (Session) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("keyx.Session(" + redacted + ")")) }

// Format never shows keys.
func (*direction) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// Format never shows keys.
func (ContentKeys) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// Format never shows keys.
func (Identity) Format(f fmt.State, _ rune) {
	_, _ = f.Write([]byte("keyx.Identity(" + redacted + ")"))
}

// Format never shows keys.
func (Initiator) Format(f fmt.State, _ rune) {
	_, _ = f.Write([]byte("keyx.Initiator(" + redacted + ")"))
}

// Format never shows keys.
func (Responder) Format(f fmt.State, _ rune) {
	_, _ = f.Write([]byte("keyx.Responder(" + redacted + ")"))
}

// Format never shows the client's key.
func (InitiatorConfig) Format(f fmt.State, _ rune) {
	_, _ = f.Write([]byte("keyx.InitiatorConfig(" + redacted + ")"))
}

// MarshalJSON never shows the client's key.
func (InitiatorConfig) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

func newGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// appendField appends one field of a hash input: its length (4 B, big endian), then its bytes. Every
// hash of the protocol is taken over such fields with the label first, so that no two inputs of
// different meaning are equal.
func appendField(dst, field []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(field)))
	return append(dst, field...)
}

// writeField writes one field into a running hash.
func writeField(h hash.Hash, field []byte) {
	var n [4]byte
	binary.BigEndian.PutUint32(n[:], uint32(len(field)))
	h.Write(n[:])
	h.Write(field)
}
