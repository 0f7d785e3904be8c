package keyx

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
)

const (
	pemPrivateKey = "PRIVATE KEY"
	// maxKeyFileBytes bounds a key file: a PKCS #8 Ed25519 key is some 120 bytes of PEM.
	maxKeyFileBytes = 4096
)

var errKeyFile = errors.New("not one PKCS #8 Ed25519 key in PEM")

// MarshalPrivateKeyPEM writes an Ed25519 key as PKCS #8 in PEM.
func MarshalPrivateKeyPEM(key ed25519.PrivateKey) ([]byte, error) {
	if len(key) != ed25519.PrivateKeySize {
		return nil, fail("write key", KindInternal, errKeySize)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fail("write key", KindInternal, err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemPrivateKey, Bytes: der}), nil
}

// ParsePrivateKeyPEM reads one Ed25519 key in PKCS #8 and PEM, and nothing else.
func ParsePrivateKeyPEM(b []byte) (ed25519.PrivateKey, error) {
	const op = "read key"
	if len(b) > maxKeyFileBytes {
		return nil, fail(op, KindBadMessage, errKeyFile)
	}
	block, rest := pem.Decode(b)
	if block == nil || block.Type != pemPrivateKey || len(block.Headers) != 0 || len(bytes.TrimSpace(rest)) != 0 {
		return nil, fail(op, KindBadMessage, errKeyFile)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fail(op, KindBadMessage, errKeyFile)
	}
	ed, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, fail(op, KindBadMessage, errKeyFile)
	}
	return ed, nil
}
