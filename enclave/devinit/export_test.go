package devinit

// The marker of a directory that is being written, for the tests.
const MarkerFile = markerFile

// Marker is what a marker for these files says.
func Marker(files map[string][]byte) []byte { return marker(files) }
