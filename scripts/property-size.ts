/**
 * Set-up of every test file: lists of a property are as long as it says, not the ten elements that fast-check
 * makes where nobody asks for more.
 */
import fc from 'fast-check'

fc.configureGlobal({ defaultSizeToMaxWhenMaxSpecified: true })
