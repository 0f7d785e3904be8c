package group

import "strings"

// Getter fetches objects by name: an object is at most [MaxObjectBytes] long, and ErrNotFound says that
// there is none. Whoever answers is not trusted.
type Getter interface {
	Get(name string) ([]byte, error)
}

// Store is where a keeper publishes. It holds the newest object of each name: one record, one node for
// each place above a member (185 bytes at most), one leaf (1,208 bytes) and one pointer (4 bytes) for each
// member. Names are as [ValidObjectName] has them.
type Store interface {
	Getter
	Put(name string, object []byte) error
}

// ValidObjectName reports whether a name is one of those that objects have: `record`, `node-LL-IIIIIIII`
// with level and index in hex, `member-` and 32 hex digits.
func ValidObjectName(name string) bool {
	if id, ok := strings.CutPrefix(name, "member-"); ok {
		return len(id) == 32 && lowerHex(id)
	}
	at, ok := strings.CutPrefix(name, "node-")
	if !ok {
		return name == RecordName
	}
	level, index, ok := strings.Cut(at, "-")
	return ok && len(level) == 2 && len(index) == 8 && lowerHex(level) && lowerHex(index)
}

func lowerHex(s string) bool { return strings.Trim(s, "0123456789abcdef") == "" }

// object is something to be published.
type object struct {
	name  string
	bytes []byte
}

// fetch gets an object of at most limit bytes.
func fetch(from Getter, name string, limit int) ([]byte, error) {
	b, err := from.Get(name)
	if err != nil {
		return nil, err
	}
	if len(b) > limit {
		return nil, errTooLong
	}
	return b, nil
}
