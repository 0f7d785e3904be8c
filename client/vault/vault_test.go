package vault

import (
	"bytes"
	"testing"

	"filippo.io/age/armor"
	"github.com/stretchr/testify/require"
)

// quick is a work factor for tests.
const quick = 6

func TestSealAndOpen(t *testing.T) {
	for _, secret := range [][]byte{{}, []byte("a key"), bytes.Repeat([]byte{7}, MaxBytes)} {
		file, err := seal(secret, []byte("correct horse"), quick)
		require.NoError(t, err)
		require.True(t, Sealed(file))
		require.NotContains(t, string(file), "a key")
		got, err := Open(file, []byte("correct horse"))
		require.NoError(t, err)
		require.True(t, bytes.Equal(secret, got))
		again, err := seal(secret, []byte("correct horse"), quick)
		require.NoError(t, err)
		require.NotEqual(t, file, again, "the same salt twice")
	}
}

// TestSealIsExpensive: new files ask for the work that the documentation says.
func TestSealIsExpensive(t *testing.T) {
	file, err := Seal([]byte("x"), []byte("correct horse"))
	require.NoError(t, err)
	var head bytes.Buffer
	_, err = head.ReadFrom(armor.NewReader(bytes.NewReader(file)))
	require.NoError(t, err)
	require.Regexp(t, `^age-encryption.org/v1\n-> scrypt \S+ 18\n`, head.String())
}

func TestRefusals(t *testing.T) {
	_, err := Seal([]byte("x"), []byte("seven77"))
	require.ErrorIs(t, err, ErrShort)
	_, err = Seal(make([]byte, MaxBytes+1), []byte("correct horse"))
	require.ErrorIs(t, err, ErrTooLarge)
	file, err := seal([]byte("secret"), []byte("correct horse"), quick)
	require.NoError(t, err)
	for _, wrong := range []string{"", "c", "correct hors", "correct horse "} {
		_, err = Open(file, []byte(wrong))
		require.ErrorIs(t, err, ErrPassphrase)
	}
	_, err = Open(make([]byte, maxFile+1), []byte("correct horse"))
	require.ErrorIs(t, err, ErrTooLarge)
	_, err = Open([]byte("-----BEGIN PRIVATE KEY-----\n"), []byte("correct horse"))
	require.ErrorIs(t, err, ErrDamaged)
	require.False(t, Sealed([]byte("-----BEGIN PRIVATE KEY-----\n")))
}

// TestHostileWork: a file cannot ask for more work than is bounded, however it is
// written.
func TestHostileWork(t *testing.T) {
	file, err := seal([]byte("secret"), []byte("correct horse"), quick)
	require.NoError(t, err)
	var plain bytes.Buffer
	_, err = plain.ReadFrom(armor.NewReader(bytes.NewReader(file)))
	require.NoError(t, err)
	for _, factor := range []string{" 21\n", " 30\n", " 99\n", " 0\n", " -1\n"} {
		var out bytes.Buffer
		w := armor.NewWriter(&out)
		_, err = w.Write(bytes.Replace(plain.Bytes(), []byte(" 6\n"), []byte(factor), 1))
		require.NoError(t, err)
		require.NoError(t, w.Close())
		_, err = Open(out.Bytes(), []byte("correct horse"))
		require.ErrorIs(t, err, ErrDamaged, factor)
	}
}

// TestEveryChangeIsSeen: no byte of a file can be changed, and none cut off.
func TestEveryChangeIsSeen(t *testing.T) {
	secret, passphrase := []byte("the authority's key"), []byte("correct horse")
	file, err := seal(secret, passphrase, 1)
	require.NoError(t, err)
	for i := range file {
		changed := bytes.Clone(file)
		changed[i] ^= 1
		if got, err := Open(changed, passphrase); err == nil {
			require.Equal(t, secret, got)
			require.Contains(t, "\r\n\t ", string(changed[i]), "byte %d", i)
		}
	}
	end := len(bytes.TrimSpace(file))
	for n := range end {
		_, err := Open(file[:n], passphrase)
		require.Error(t, err, "cut to %d", n)
	}
}

func FuzzOpen(f *testing.F) {
	file, err := seal([]byte("secret"), []byte("correct horse"), 1)
	require.NoError(f, err)
	f.Add(file)
	f.Add([]byte(armor.Header + "\n" + armor.Footer + "\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 4096 {
			return
		}
		secret, err := open(b, []byte("correct horse"), quick)
		if err == nil {
			require.Equal(t, "secret", string(secret))
		}
	})
}
