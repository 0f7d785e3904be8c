// Package vault keeps a small secret, the key of a domain's authority, in a file
// that a passphrase opens: the age format (age-encryption.org/v1) with scrypt,
// armored, so that the age tool opens it too.
//
// Whoever holds a sealed file may try passphrases, at about a second each on one
// core; the package promises no more than that, and that a file that was changed
// in any way is refused. It bounds what a file may ask for, in bytes and in work.
// The secret exists in memory only while the caller has it.
package vault

import (
	"bytes"
	"errors"
	"io"

	"filippo.io/age"
	"filippo.io/age/armor"
)

const (
	// MaxBytes bounds a secret: a key is some hundred bytes.
	MaxBytes = 64 << 10
	// maxFile bounds a sealed file: the secret in base64, header and lines.
	maxFile = 2 * MaxBytes
	// WorkFactor is the logarithm of scrypt's cost for new files, one second.
	WorkFactor = 18
	// maxWorkFactor bounds what opening a file may cost: four seconds, 1 GiB.
	maxWorkFactor = 20
	// MinPassphrase is the shortest passphrase for new files, in bytes. It keeps out
	// accidents, not bad choices.
	MinPassphrase = 8
)

// Errors of Open and Seal.
var (
	ErrPassphrase = errors.New("wrong passphrase")
	ErrShort      = errors.New("a passphrase has at least 8 bytes")
	ErrDamaged    = errors.New("damaged, or not a file that a passphrase opens")
	ErrTooLarge   = errors.New("too large")
)

// Sealed reports whether a file is one that Seal wrote, by its first line.
func Sealed(file []byte) bool { return bytes.HasPrefix(bytes.TrimSpace(file), []byte(armor.Header)) }

// Seal returns a file from which the passphrase gives the secret back.
func Seal(secret, passphrase []byte) ([]byte, error) { return seal(secret, passphrase, WorkFactor) }

func seal(secret, passphrase []byte, workFactor int) ([]byte, error) {
	switch {
	case len(passphrase) < MinPassphrase:
		return nil, ErrShort
	case len(secret) > MaxBytes:
		return nil, ErrTooLarge
	}
	to, err := age.NewScryptRecipient(string(passphrase))
	if err != nil {
		return nil, err
	}
	to.SetWorkFactor(workFactor)
	var file bytes.Buffer
	lines := armor.NewWriter(&file)
	w, err := age.Encrypt(lines, to)
	if err != nil {
		return nil, err
	}
	if _, err = w.Write(secret); err == nil {
		err = errors.Join(w.Close(), lines.Close())
	}
	if err != nil {
		return nil, err
	}
	return file.Bytes(), nil
}

// Open returns the secret of a file. Errors are ErrPassphrase, ErrTooLarge, or
// ErrDamaged for whatever else is not as Seal left it.
func Open(file, passphrase []byte) ([]byte, error) { return open(file, passphrase, maxWorkFactor) }

func open(file, passphrase []byte, workFactor int) ([]byte, error) {
	if len(file) > maxFile {
		return nil, ErrTooLarge
	}
	if len(passphrase) == 0 {
		return nil, ErrPassphrase
	}
	who, err := age.NewScryptIdentity(string(passphrase))
	if err != nil {
		return nil, ErrPassphrase
	}
	who.SetMaxWorkFactor(workFactor)
	r, err := age.Decrypt(armor.NewReader(bytes.NewReader(file)), who)
	if errors.Is(err, age.ErrIncorrectIdentity) {
		return nil, ErrPassphrase
	}
	if err != nil {
		return nil, ErrDamaged
	}
	secret, err := io.ReadAll(io.LimitReader(r, MaxBytes+1))
	switch {
	case err != nil:
		return nil, ErrDamaged
	case len(secret) > MaxBytes:
		return nil, ErrTooLarge
	}
	return secret, nil
}
