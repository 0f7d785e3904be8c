package cli

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/scbr/scbr/client/vault"
)

// maxPassphrase bounds a passphrase, in bytes.
const maxPassphrase = 4096

// passphrase is where the passphrase of a key file comes from: a file, standard
// input, or the terminal. It is never an argument or in the environment, where
// other processes can read it.
type passphrase struct {
	file string
}

func (p *passphrase) flag(f *pflag.FlagSet, what string) {
	f.StringVar(&p.file, "passphrase-file", "", "`FILE` whose first line is the passphrase of "+what+", - for standard input (default: asked for on a terminal)")
}

// seal encrypts a key that is to be written, if there is a passphrase.
func (p *passphrase) seal(cmd *cobra.Command, what string, key []byte) ([]byte, error) {
	secret, err := p.read(cmd, "passphrase for "+what+" (nothing: not encrypted): ")
	if err != nil {
		return nil, err
	}
	if len(secret) == 0 {
		_, err := fmt.Fprintf(cmd.ErrOrStderr(), "scbr: %s is not encrypted: keep it off machines that others read, or make it with --passphrase-file\n", what)
		return key, err
	}
	if p.file == "" { // typed without being seen
		again, err := p.read(cmd, "again: ")
		if err != nil {
			return nil, err
		}
		if !bytes.Equal(secret, again) {
			return nil, usagef("the two passphrases differ: nothing was written")
		}
	}
	sealed, err := vault.Seal(key, secret)
	if errors.Is(err, vault.ErrShort) {
		return nil, usagef("%w: nothing was written", err)
	}
	return sealed, err
}

// open decrypts a key file, if it is encrypted.
func (p *passphrase) open(cmd *cobra.Command, name string, file []byte) ([]byte, error) {
	if !vault.Sealed(file) {
		return file, nil
	}
	secret, err := p.read(cmd, "passphrase for "+name+": ")
	if err != nil {
		return nil, err
	}
	if len(secret) == 0 {
		return nil, usagef("%s is encrypted: give --passphrase-file FILE, or - for standard input", name)
	}
	key, err := vault.Open(file, secret)
	if err != nil {
		return nil, usagef("%s: %w", name, err)
	}
	return key, nil
}

// read returns the passphrase, or nothing where nobody can be asked.
func (p *passphrase) read(cmd *cobra.Command, prompt string) ([]byte, error) {
	in := cmd.InOrStdin()
	if p.file == "" {
		file, ok := in.(*os.File)
		if !ok || !term.IsTerminal(int(file.Fd())) {
			return nil, nil
		}
		fmt.Fprint(cmd.ErrOrStderr(), prompt) //nolint:errcheck // nowhere else to ask
		secret, err := term.ReadPassword(int(file.Fd()))
		fmt.Fprintln(cmd.ErrOrStderr()) //nolint:errcheck // as above
		return secret, err
	}
	if p.file != "-" {
		file, err := os.Open(p.file)
		if err != nil {
			return nil, badPath(err, "check --passphrase-file: its first line is the passphrase")
		}
		defer file.Close() //nolint:errcheck // only read
		in = file
	}
	line, err := bufio.NewReader(io.LimitReader(in, maxPassphrase+1)).ReadBytes('\n')
	secret := bytes.TrimRight(line, "\r\n")
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return nil, badPath(err, "check --passphrase-file: its first line is the passphrase")
	case len(secret) > maxPassphrase:
		return nil, usagef("--passphrase-file: longer than %d bytes", maxPassphrase)
	case len(secret) == 0:
		return nil, usagef("--passphrase-file: the first line is empty")
	}
	return secret, nil
}
