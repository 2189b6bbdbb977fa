/** Every endpoint of Docker's API that is answered, as data: what is served, documented and (later) authorized is read from it. */
import type { Route } from '../route.ts'
import { buildRoutes } from './build/build.routes.ts'
import { containerRoutes } from './containers/containers.routes.ts'
import { fileRoutes } from './containers/files.routes.ts'
import { lifecycleRoutes } from './containers/lifecycle.routes.ts'
import { containerStreamRoutes } from './containers/streams.routes.ts'
import { absentRoutes } from './elsewhere/absent.routes.ts'
import { execRoutes } from './exec/exec.routes.ts'
import { imageRoutes } from './images/images.routes.ts'
import { imageTransferRoutes } from './images/transfer.routes.ts'
import { networkRoutes } from './networks/networks.routes.ts'
import { systemRoutes } from './system/system.routes.ts'
import { volumeRoutes } from './volumes/volumes.routes.ts'

export const dockerRoutes: readonly Route[] = [
  ...systemRoutes,
  ...containerRoutes,
  ...lifecycleRoutes,
  ...containerStreamRoutes,
  ...fileRoutes,
  ...execRoutes,
  ...buildRoutes,
  ...imageTransferRoutes,
  ...imageRoutes,
  ...networkRoutes,
  ...volumeRoutes,
  ...absentRoutes,
]
