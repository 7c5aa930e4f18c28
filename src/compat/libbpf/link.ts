// bpf_link__*: links and their pins.
import { BpfLink, type BpfProgram } from './handles.ts';
import { type Library, pointer, refuse, status } from './library.ts';

export function linkFunctions(lib: Library) {
  const { session } = lib;
  return {
    bpf_link__open: (path: string): Promise<BpfLink | null> =>
      pointer(lib, async () => new BpfLink((await session.call('object.get', { path })).fd, path)),
    bpf_link__fd: (link: BpfLink | null): number => link?.fd ?? refuse(lib, 'EINVAL'),
    bpf_link__pin_path: (link: BpfLink): string | null => link.pinPath,
    bpf_link__pin: (link: BpfLink, path: string): Promise<number> =>
      status(lib, async () => {
        if (link.pinPath !== null) return refuse(lib, 'EBUSY');
        await session.call('object.pin', { fd: link.fd, path });
        link.pinPath = path;
        return 0;
      }),
    bpf_link__unpin: (link: BpfLink): Promise<number> =>
      status(lib, async () => {
        if (link.pinPath === null) return refuse(lib, 'EINVAL');
        await session.call('object.unpin', { path: link.pinPath });
        link.pinPath = null;
        return 0;
      }),
    bpf_link__update_program: (link: BpfLink, prog: BpfProgram): Promise<number> =>
      status(lib, async () => {
        if (prog.fd < 0) return refuse(lib, 'EINVAL');
        await session.call('link.update', { fd: link.fd, progFd: prog.fd });
        return 0;
      }),
    /** The link stays when it is destroyed, as long as the session. In C until the process ends. */
    bpf_link__disconnect: (link: BpfLink): void => {
      link.disconnected = true;
    },
    bpf_link__detach: (link: BpfLink): Promise<number> =>
      status(lib, async () => {
        await session.call('link.detach', { fd: link.fd });
        return 0;
      }),
    bpf_link__destroy: (link: BpfLink | null): Promise<number> =>
      status(lib, async () => {
        if (link !== null && !link.disconnected) await session.call('object.close', { fd: link.fd });
        return 0;
      }),
  };
}
