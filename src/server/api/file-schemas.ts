/**
 * Versions of files as the native API shows them (files.ts).
 */
import { z } from 'zod'
import { named, pageOf, pid, time, whole } from './schema.ts'

const fileFields = {
  path: z.string(),
  version: whole.describe('Grows with every write in the machine; readFile takes it'),
  bytes: whole.describe('Of its content, in UTF-8'),
  at: time,
  pid: pid.describe('The process that wrote it'),
  removed: z.boolean().describe('The file was removed here: this version has no content'),
  labels: z.array(z.string()).describe('Of what its writer had learned'),
}

export const FileVersion = named('FileVersion', 'A version of a file', z.object(fileFields))
export type FileVersion = z.infer<typeof FileVersion>

export const FilePage = pageOf('FilePage', 'versions of files', FileVersion)
export type FilePage = z.infer<typeof FilePage>

export const FileContent = named(
  'FileContent',
  'A version of a file with its content',
  z.object({
    ...fileFields,
    content: z.string(),
    encoding: z.enum(['utf8', 'base64']).describe('base64 of what is not text'),
  }),
)
export type FileContent = z.infer<typeof FileContent>
