/** Our own API, beside Docker's on the same sockets. */
import type { Route } from '../route.ts'
import { hbVolumeRoutes } from './volumes.routes.ts'

export const hbRoutes: readonly Route[] = [...hbVolumeRoutes]
