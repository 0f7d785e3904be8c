package keyx

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func testList(number uint64, revoked ...Revocation) RevocationList {
	return RevocationList{Domain: "example", Number: number, Issued: testNow, Revoked: revoked}
}

func TestRevocationListRoundTrip(t *testing.T) {
	for name, k := range map[string]*kit{"one signature": newKit(t), "two": newHybridKit(t)} {
		t.Run(name, func(t *testing.T) {
			authority := Ed25519Authority(k.authority)
			if k.domain.Authorities[0].Hybrid() {
				var err error
				authority, err = NewAuthority(fixedRand("hybrid authority"))
				require.NoError(t, err)
			}
			want := testList(7, Revocation{"alice", 3}, Revocation{"bob & <co>", 7})
			jws, err := SignRevocationList(want, authority)
			require.NoError(t, err)
			got, err := VerifyRevocationList(jws, k.domain)
			require.NoError(t, err)
			require.Equal(t, &want, got)

			k.domain.Name = "other"
			_, err = VerifyRevocationList(jws, k.domain)
			requireKind(t, KindWrongDomain, err)
			k.domain = Domain{Name: "example", Authorities: []AuthorityKey{authorityOf(testKey("another tenant"))}}
			_, err = VerifyRevocationList(jws, k.domain)
			requireKind(t, KindBadList, err)
		})
	}
}

// What an authority signed as one thing is no other thing.
func TestRevocationListIsNoGrant(t *testing.T) {
	k := newKit(t)
	_, err := VerifyRevocationList(k.jws, k.domain)
	requireKind(t, KindBadList, err)
	jws, err := SignRevocationList(testList(1), Ed25519Authority(k.authority))
	require.NoError(t, err)
	_, err = VerifyGrant(jws, k.domain, testNow)
	requireKind(t, KindBadGrant, err)
}

func TestRevocationListRefused(t *testing.T) {
	k := newKit(t)
	const header = `{"alg":"EdDSA","typ":"scbr/revocation/v1"}`
	good := fmt.Sprintf(`{"aud":"example","number":3,"iat":%d,"revoked":[{"sub":"a","before":1},{"sub":"b","before":3}]}`, testNow.Unix())
	_, err := VerifyRevocationList([]byte(rawGrant(k.authority, header, good)), k.domain)
	require.NoError(t, err, "the others can fail")
	for name, edit := range map[string][2]string{
		"order":         {`[{"sub":"a","before":1},{"sub":"b","before":3}]`, `[{"sub":"b","before":3},{"sub":"a","before":1}]`},
		"twice":         {`"b"`, `"a"`},
		"later":         {`"before":3`, `"before":4`},
		"never":         {`"before":1`, `"before":0`},
		"no name":       {`"a"`, `""`},
		"no subject":    {`{"sub":"a","before":1}`, `{"before":1}`},
		"no before":     {`{"sub":"a","before":1}`, `{"sub":"a"}`},
		"null":          {`{"sub":"a","before":1}`, `null`},
		"number 0":      {`"number":3`, `"number":0`},
		"huge number":   {`"number":3`, `"number":9007199254740992`},
		"negative":      {`"number":3`, `"number":-3`},
		"no number":     {`"number":3,`, ``},
		"no time":       {`"iat":`, `"iat":0,"x":`},
		"huge time":     {`"iat":`, `"iat":9007199254740993,"x":`},
		"missing time":  {fmt.Sprintf(`"iat":%d,`, testNow.Unix()), ``},
		"no list":       {`,"revoked":[{"sub":"a","before":1},{"sub":"b","before":3}]`, ``},
		"another field": {`"number":3`, `"number":3,"crit":1`},
		"no audience":   {`"aud":"example",`, ``},
	} {
		t.Run(name, func(t *testing.T) {
			bad := strings.Replace(good, edit[0], edit[1], 1)
			require.NotEqual(t, good, bad)
			_, err := VerifyRevocationList([]byte(rawGrant(k.authority, header, bad)), k.domain)
			requireKind(t, KindBadList, err)
		})
	}
	_, err = VerifyRevocationList(make([]byte, MaxRevocationBytes+1), k.domain)
	requireKind(t, KindBadList, err)

	many := testList(1)
	for i := range MaxRevoked + 1 {
		many.Revoked = append(many.Revoked, Revocation{fmt.Sprintf("%05d", i), 1})
	}
	_, err = SignRevocationList(many, Ed25519Authority(k.authority))
	requireKind(t, KindBadList, err)
	items := make([]map[string]any, 0, len(many.Revoked))
	for _, r := range many.Revoked {
		items = append(items, map[string]any{"sub": r.Subject, "before": r.Before})
	}
	payload, err := json.Marshal(map[string]any{"aud": "example", "number": 1, "iat": testNow.Unix(), "revoked": items})
	require.NoError(t, err)
	_, err = VerifyRevocationList([]byte(rawGrant(k.authority, header, string(payload))), k.domain)
	requireKind(t, KindBadList, err)

	many.Revoked = many.Revoked[:MaxRevoked] // with names like these a full list fits
	for i := range many.Revoked {
		many.Revoked[i].Subject += ".meters.example.org"
	}
	jws, err := SignRevocationList(many, Ed25519Authority(k.authority))
	require.NoError(t, err)
	_, err = VerifyRevocationList(jws, k.domain)
	require.NoError(t, err)
	for i := range many.Revoked {
		many.Revoked[i].Subject += strings.Repeat("x", 200)
	}
	_, err = SignRevocationList(many, Ed25519Authority(k.authority))
	requireKind(t, KindBadList, err)
	_, err = SignRevocationList(testList(1), Authority{})
	requireKind(t, KindBadList, err)
}

func TestRevokes(t *testing.T) {
	var none *RevocationList
	g := Grant{Subject: "alice", Revocation: 4}
	require.False(t, none.Revokes(&g))
	first := none.Next("example", testNow, "bob")
	require.Equal(t, testList(1, Revocation{"bob", 1}), first)
	l := first.Next("example", testNow.Add(-time.Hour))
	require.Equal(t, testNow, l.Issued, "the authority's clock went back")
	require.EqualValues(t, 2, l.Number)
	for range 3 {
		l = l.Next("example", testNow.Add(time.Minute), "alice")
	}
	require.EqualValues(t, 5, l.Number)
	require.Equal(t, []Revocation{{"alice", 5}, {"bob", 1}}, l.Revoked)
	require.True(t, l.Revokes(&g), "made before")
	g.Revocation = 5
	require.False(t, l.Revokes(&g), "made after")
	g = Grant{Subject: "carol"}
	require.False(t, l.Revokes(&g))
	require.Equal(t, []Revocation{{"bob", 1}}, first.Revoked, "a list is not changed by the next")
}

func TestFresh(t *testing.T) {
	var none *RevocationList
	l := testList(1)
	require.True(t, none.Fresh(RevocationPolicy{}, testNow))
	require.True(t, l.Fresh(RevocationPolicy{}, testNow.AddDate(10, 0, 0)))
	p := RevocationPolicy{MaxAgeSeconds: 60}
	require.False(t, none.Fresh(p, testNow))
	require.True(t, l.Fresh(p, testNow.Add(59*time.Second)))
	require.False(t, l.Fresh(p, testNow.Add(time.Minute)))
}

func FuzzRevocationList(f *testing.F) {
	k := newKit(f)
	jws, err := SignRevocationList(testList(3, Revocation{"alice", 3}), Ed25519Authority(k.authority))
	require.NoError(f, err)
	var form generalJWS
	require.NoError(f, json.Unmarshal(jws, &form))
	payload, err := strictBase64(form.Payload)
	require.NoError(f, err)
	f.Add(payload)
	f.Add([]byte(`{"aud":"example","number":1,"iat":1,"revoked":[]}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		signed := []byte(rawGrant(k.authority, `{"alg":"EdDSA","typ":"scbr/revocation/v1"}`, string(payload)))
		l, err := VerifyRevocationList(signed, k.domain)
		if err != nil {
			return
		}
		again, err := SignRevocationList(*l, Ed25519Authority(k.authority))
		require.NoError(t, err)
		back, err := VerifyRevocationList(again, k.domain)
		require.NoError(t, err)
		require.Equal(t, l, back)
	})
}

func TestOlderListRefusedByClient(t *testing.T) {
	k := newKit(t)
	for held, want := range map[uint64]Kind{4: KindStale, 5: KindOK, 6: KindOK} {
		cfg := k.config()
		cfg.Revocation = 5
		i, m1, err := NewInitiator(cfg)
		require.NoError(t, err)
		r, m2, err := k.identity.Accept(m1)
		require.NoError(t, err)
		m3, err := i.Respond(m2, testNow)
		require.NoError(t, err)
		_, err = r.Finish(m3, testNow)
		require.NoError(t, err)
		m4, _, err := r.Confirm(1, Limits{}, held)
		require.NoError(t, err)
		s, _, err := i.Confirm(m4)
		if want == KindOK {
			require.NoError(t, err)
			continue
		}
		requireKind(t, want, err)
		require.Nil(t, s)
	}
}
