// Package shelf counts what is on a shelf.
package shelf

// Add adds two counts.
func Add(one, other int) int { return one + other }
