//go:build !ego

package ego

// Open returns ErrNotBuilt.
func Open() (*Platform, error) { return nil, ErrNotBuilt }
