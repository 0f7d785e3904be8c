package group_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/mlkem"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
)

// A second reader of a group, of PROTOCOL.md alone: standard library, nothing of the package.

var errReplay = errors.New("refused")

func field(parts ...[]byte) (out []byte) {
	for _, p := range parts {
		out = append(binary.BigEndian.AppendUint32(out, uint32(len(p))), p...)
	}
	return out
}

func h256(label string, parts ...[]byte) []byte {
	sum := sha256.Sum256(append(field([]byte(label)), field(parts...)...))
	return sum[:]
}

func be64(v uint64) []byte { return binary.BigEndian.AppendUint64(nil, v) }

func be32(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }

func placeBytes(level int, index uint32) []byte { return append([]byte{byte(level)}, be32(index)...) }

// xwingKeys expands a seed: ML-KEM-768 and X25519 (draft-connolly-cfrg-xwing-kem, 5.2).
func xwingKeys(seed []byte) (*mlkem.DecapsulationKey768, *ecdh.PrivateKey, error) {
	long := sha3.SumSHAKE256(seed, 96)
	m, err := mlkem.NewDecapsulationKey768(long[:64])
	if err != nil {
		return nil, nil, err
	}
	x, err := ecdh.X25519().NewPrivateKey(long[64:])
	return m, x, err
}

func xwingPublic(seed []byte) ([]byte, error) {
	m, x, err := xwingKeys(seed)
	if err != nil {
		return nil, err
	}
	return append(m.EncapsulationKey().Bytes(), x.PublicKey().Bytes()...), nil
}

func xwingOpen(seed, ct []byte) ([]byte, error) {
	m, x, err := xwingKeys(seed)
	if err != nil {
		return nil, err
	}
	ssM, err := m.Decapsulate(ct[:1088])
	if err != nil {
		return nil, err
	}
	peer, err := ecdh.X25519().NewPublicKey(ct[1088:])
	if err != nil {
		return nil, err
	}
	ssX, err := x.ECDH(peer)
	if err != nil {
		return nil, err
	}
	sum := sha3.Sum256(slices.Concat(ssM, ssX, ct[1088:], x.PublicKey().Bytes(), []byte(`\.//^\`)))
	return sum[:], nil
}

func derive(secret []byte, label, domain, group string, parts ...[]byte) ([]byte, error) {
	info := append(field([]byte(label), []byte(domain), []byte(group)), field(parts...)...)
	return hkdf.Key(sha512.New, secret, nil, string(info), 32)
}

func unwrap(key, box []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return aead.Open(nil, make([]byte, 12), box, nil)
}

// record is a verified record, as far as the replay needs it.
type record struct {
	epoch            uint64
	previous         []byte
	height           int
	root, commitment []byte
	hash             []byte
}

func readRecord(jws, domain, group string, authority ed25519.PublicKey) (*record, error) {
	var form struct {
		Payload    string
		Signatures []struct{ Protected, Signature string }
	}
	if err := json.Unmarshal([]byte(jws), &form); err != nil || len(form.Signatures) != 1 {
		return nil, errReplay
	}
	s := form.Signatures[0]
	head, err1 := base64.RawURLEncoding.DecodeString(s.Protected)
	signature, err2 := base64.RawURLEncoding.DecodeString(s.Signature)
	b, err3 := base64.RawURLEncoding.DecodeString(form.Payload)
	if errors.Join(err1, err2, err3) != nil || string(head) != `{"alg":"EdDSA","typ":"scbr/group/v1"}` ||
		!ed25519.Verify(authority, []byte(s.Protected+"."+form.Payload), signature) {
		return nil, errReplay
	}
	start := slices.Concat([]byte{1, byte(len(domain))}, []byte(domain), []byte{byte(len(group))}, []byte(group))
	if len(b) != len(start)+8+32+8+8+1+32+32 || string(b[:len(start)]) != string(start) {
		return nil, errReplay
	}
	f := b[len(start):]
	return &record{
		epoch: binary.BigEndian.Uint64(f), previous: f[8:40], height: int(f[56]), root: f[57:89], commitment: f[89:],
		hash: h256("scbr/group-record/v1", b),
	}, nil
}

// groupKey is the whole of a member's work in an epoch, from its seed.
func groupKey(v *vectorFile, seed []byte, r *record, objects map[string][]byte) ([]byte, error) {
	public, err := xwingPublic(seed)
	if err != nil {
		return nil, err
	}
	id := h256("scbr/group-member/v1", []byte(v.Domain), []byte(v.Group), public)
	pointer := objects[fmt.Sprintf("member-%x", id[:16])]
	if len(pointer) != 4 {
		return nil, errReplay
	}
	slot := binary.BigEndian.Uint32(pointer)
	// Down: hashes.
	want := r.root
	wraps := make([][]byte, r.height+1) // of the level's node under the child on the way
	heads := make([][]byte, r.height+1) // epoch and salt
	for level := r.height; level > 0; level-- {
		index := slot >> level
		b := objects[fmt.Sprintf("node-%02x-%08x", level, index)]
		if string(h256("scbr/group-node/v1", placeBytes(level, index), b)) != string(want) {
			return nil, errReplay
		}
		flags, rest := b[24], b[25:]
		side := slot >> (level - 1) & 1
		if flags>>side&1 == 0 {
			return nil, errReplay
		}
		if side == 1 && flags&1 == 1 {
			rest = rest[80:]
		}
		heads[level], wraps[level], want = b[:24], rest[:48], rest[48:80]
	}
	l := objects[fmt.Sprintf("node-00-%08x", slot)]
	if string(h256("scbr/group-leaf/v1", placeBytes(0, slot), l)) != string(want) || string(l[8:40]) != string(id) {
		return nil, errReplay
	}
	secret, err := xwingOpen(seed, l[40:1160])
	if err != nil {
		return nil, err
	}
	k, err := derive(secret, "scbr/group-invite/v1", v.Domain, v.Group, placeBytes(0, slot), l[:8], id)
	if err != nil {
		return nil, err
	}
	if k, err = unwrap(k, l[1160:]); err != nil {
		return nil, err
	}
	// Up: keys.
	for level := 1; level <= r.height; level++ {
		at, from := placeBytes(level, slot>>level), placeBytes(level-1, slot>>(level-1))
		if k, err = derive(k, "scbr/group-wrap/v1", v.Domain, v.Group, at, from, heads[level][:8], heads[level][8:]); err != nil {
			return nil, err
		}
		if k, err = unwrap(k, wraps[level]); err != nil {
			return nil, err
		}
	}
	gk, err := derive(k, "scbr/group-key/v1", v.Domain, v.Group, be64(r.epoch))
	if err != nil {
		return nil, err
	}
	if string(h256("scbr/group-commit/v1", []byte(v.Domain), []byte(v.Group), be64(r.epoch), gk)) != string(r.commitment) {
		return nil, errReplay
	}
	return gk, nil
}

type vectorFile struct {
	Domain    string            `json:"domain"`
	Group     string            `json:"group"`
	Authority string            `json:"authority"`
	Seeds     map[string]string `json:"seeds"`
	Epochs    []struct {
		Members []string          `json:"members"`
		Record  string            `json:"record"`
		Objects map[string]string `json:"objects"`
		GK      string            `json:"gk"`
	} `json:"epochs"`
}

func unhex(t *testing.T, s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestVectorsAgree(t *testing.T) {
	b, err := os.ReadFile("testdata/epochs.json")
	if err != nil {
		t.Fatal(err)
	}
	var v vectorFile
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	objects, previous, derived := map[string][]byte{}, make([]byte, 32), 0
	for i, e := range v.Epochs {
		for name, o := range e.Objects {
			objects[name] = unhex(t, o)
		}
		r, err := readRecord(e.Record, v.Domain, v.Group, unhex(t, v.Authority))
		if err != nil {
			t.Fatal(i, err)
		}
		if r.epoch != uint64(i+1) || string(r.previous) != string(previous) {
			t.Fatalf("record %d has number %d and follows %x", i+1, r.epoch, r.previous)
		}
		previous = r.hash
		for name, seed := range v.Seeds {
			gk, err := groupKey(&v, unhex(t, seed), r, objects)
			switch member := slices.Contains(e.Members, name); {
			case member && (err != nil || hex.EncodeToString(gk) != e.GK):
				t.Errorf("epoch %d: %s has %x (%v), not %s", i+1, name, gk, err, e.GK)
			case !member && err == nil:
				t.Errorf("epoch %d: %s is not in it and has a key", i+1, name)
			case member:
				derived++
			}
		}
	}
	if derived != 3+2+2+5+4 {
		t.Errorf("%d keys were derived", derived)
	}
}
