package keyx

import (
	"crypto/ed25519"
	"crypto/sha512"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func testDomain() Domain {
	return Domain{
		Name:        "example",
		Authorities: []AuthorityKey{authorityOf(testKey("a")), authorityOf(testKey("b"))},
		Endorsers:   []ed25519.PublicKey{publicOf(testKey("c"))},
		Revocation:  RevocationPolicy{MaxAgeSeconds: 3600},
	}
}

func TestDomainRoundTrip(t *testing.T) {
	for _, edit := range []func(*Domain){
		func(*Domain) {}, func(d *Domain) { d.Endorsers = nil }, func(d *Domain) { d.Revocation.MaxAgeSeconds = 0 },
	} {
		d := testDomain()
		edit(&d)
		got, err := ParseDomain(d.JSON())
		require.NoError(t, err)
		require.Equal(t, d.Digest(), got.Digest())
		require.Equal(t, d.JSON(), got.JSON())
		require.Equal(t, d.encode(), got.encode())
	}
}

func TestDomainDigest(t *testing.T) {
	d := testDomain()
	swapped := d
	swapped.Authorities = []AuthorityKey{d.Authorities[1], d.Authorities[0]}
	require.Equal(t, d.Digest(), swapped.Digest(), "order has no meaning")
	require.Equal(t, d.JSON(), swapped.JSON())
	seen := map[[64]byte]bool{d.Digest(): true}
	for name, edit := range map[string]func(*Domain){
		"name":               func(d *Domain) { d.Name = "examplf" },
		"authority added":    func(d *Domain) { d.Authorities = append(d.Authorities[:2:2], authorityOf(testKey("d"))) },
		"authority removed":  func(d *Domain) { d.Authorities = d.Authorities[:1] },
		"authority replaced": func(d *Domain) { d.Authorities = []AuthorityKey{d.Authorities[0], authorityOf(testKey("d"))} },
		"endorser removed":   func(d *Domain) { d.Endorsers = nil },
		"role of a key": func(d *Domain) {
			d.Authorities, d.Endorsers = append(d.Authorities[:2:2], AuthorityKey(d.Endorsers[0])), nil
		},
		"age": func(d *Domain) { d.Revocation.MaxAgeSeconds++ },
	} {
		d := testDomain()
		edit(&d)
		require.False(t, seen[d.Digest()], name)
		seen[d.Digest()] = true
	}
	// Independent of the code: the layout of docs/PROTOCOL.md.
	a, b := publicOf(testKey("a")), publicOf(testKey("b"))
	if string(a) > string(b) {
		a, b = b, a
	}
	want := sha512.Sum512([]byte("\x00\x00\x00\x0escbr/config/v1" + "\x00\x00\x00\x07example" +
		"\x00\x00\x00\x40" + string(a) + string(b) + "\x00\x00\x00\x20" + string(publicOf(testKey("c"))) + "\x00\x00\x00\x04\x00\x00\x0e\x10"))
	require.Equal(t, want, testDomain().Digest())
}

func TestDomainRefused(t *testing.T) {
	good := string(testDomain().JSON())
	key := strings.Split(strings.Split(good, `"authorities": [`)[1], `"`)[1]
	swap := func(from, to string) string {
		require.Contains(t, good, from)
		return strings.Replace(good, from, to, 1)
	}
	for name, text := range map[string]string{
		"empty":             "",
		"null":              "null",
		"trailing":          good + "{}",
		"unknown":           swap(`{`, `{"x":1,`),
		"twice":             swap(`{`, `{"name":"example",`),
		"case":              swap(`"name"`, `"Name"`),
		"no name":           swap(`"name": "example",`, ``),
		"bad name":          swap(`"example"`, `"exa\nmple"`),
		"no endorsers":      swap(`"endorsers"`, `"others"`),
		"null endorsers":    `{"name":"x","authorities":["` + key + `"],"endorsers":null,"revocation":{"max_age_seconds":0}}`,
		"no authority":      `{"name":"x","authorities":[],"endorsers":[],"revocation":{"max_age_seconds":0}}`,
		"no revocation":     `{"name":"x","authorities":["` + key + `"],"endorsers":[]}`,
		"empty revocation":  `{"name":"x","authorities":["` + key + `"],"endorsers":[],"revocation":{}}`,
		"key twice":         `{"name":"x","authorities":["` + key + `","` + key + `"],"endorsers":[],"revocation":{"max_age_seconds":0}}`,
		"key in both":       `{"name":"x","authorities":["` + key + `"],"endorsers":["` + key + `"],"revocation":{"max_age_seconds":0}}`,
		"17 keys":           `{"name":"x","authorities":["` + strings.Repeat(key+`","`, 16) + key + `"],"endorsers":[],"revocation":{"max_age_seconds":0}}`,
		"short key":         swap(key, key[:8]),
		"not base64":        swap(key, "!"+key[1:]),
		"line break in key": swap(key, key[:8]+`\n`+key[8:]),
		"age out of range":  swap("3600", "4294967296"),
		"negative age":      swap("3600", "-1"),
		"too long":          good + strings.Repeat(" ", MaxDomainBytes),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseDomain([]byte(text))
			requireKind(t, KindBadMessage, err)
		})
	}
	compact := `{"name":"x","authorities":["` + key + `"],"endorsers":[],"revocation":{"max_age_seconds":0}}`
	_, err := ParseDomain([]byte(compact))
	require.NoError(t, err)
}

func TestKeyFiles(t *testing.T) {
	key := testKey("a")
	text, err := MarshalPrivateKeyPEM(key)
	require.NoError(t, err)
	got, err := ParsePrivateKeyPEM(text)
	require.NoError(t, err)
	require.Equal(t, key, got)
	_, err = MarshalPrivateKeyPEM(key[:5])
	require.Error(t, err)
	for name, b := range map[string]string{
		"empty": "", "twice": string(text) + string(text), "type": strings.ReplaceAll(string(text), "PRIVATE", "PUBLIC"),
		"header": strings.Replace(string(text), "KEY-----\n", "KEY-----\nA: b\n\n", 1), "long": strings.Repeat(" ", maxKeyFileBytes) + string(text),
		"der": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
	} {
		_, err := ParsePrivateKeyPEM([]byte(b))
		require.Error(t, err, name)
		requireKind(t, KindBadMessage, err)
	}
}
