import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { freePorts } from './ports';
import { type Running, start } from './process';

export const nginxPath = [
  '/usr/sbin/nginx',
  '/usr/local/sbin/nginx',
  '/opt/homebrew/bin/nginx',
].find((file) => existsSync(file));

export interface NginxOptions {
  /** Where it keeps its configuration and temporary files. */
  readonly directory: string;
  /** Folder whose files it serves. */
  readonly root: string;
  /** PEM texts. */
  readonly key: string;
  readonly cert: string;
  /** Further directives for the server. */
  readonly server?: string;
  /** Default: `TLSv1.2 TLSv1.3`. */
  readonly protocols?: string;
  /** Plain and TLS. Default: any free ones. */
  readonly ports?: readonly [number, number];
}

export interface Nginx extends Running {
  readonly httpUrl: string;
  readonly httpsUrl: string;
  readonly ports: readonly [number, number];
  /**
   * Where each finished request has a line, which ends with its Range, the version of TLS and the
   * subject of the client's certificate.
   */
  readonly accessLog: string;
}

/** A real nginx on loopback, one worker, plain and over TLS. */
export async function startNginx(options: NginxOptions): Promise<Nginx> {
  if (nginxPath === undefined) throw new Error('nginx is not installed: apt-get install nginx');
  const { directory } = options;
  await mkdir(directory, { recursive: true });
  const ports = options.ports ?? ((await freePorts(2)) as [number, number]);
  await writeFile(path.join(directory, 'key.pem'), options.key, { mode: 0o600 });
  await writeFile(path.join(directory, 'cert.pem'), options.cert);
  const file = path.join(directory, 'nginx.conf');
  await writeFile(file, configuration(options, ports));
  const running = await start(nginxPath, ['-p', directory, '-c', file, '-e', 'stderr'], {
    ready: /start worker process \d+/,
  });
  return {
    ...running,
    httpUrl: `http://127.0.0.1:${ports[0]}`,
    httpsUrl: `https://127.0.0.1:${ports[1]}`,
    ports,
    accessLog: path.join(directory, 'access.log'),
  };
}

function configuration(
  options: NginxOptions,
  [httpPort, httpsPort]: readonly [number, number],
): string {
  const { directory, root, server = '', protocols = 'TLSv1.2 TLSv1.3' } = options;
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `  ${kind}_temp_path ${directory}/${kind};`)
    .join('\n');
  return `${process.getuid?.() === 0 ? 'user root;\n' : ''}daemon off;
worker_processes 1;
error_log stderr notice;
pid ${directory}/nginx.pid;
events { worker_connections 256; }
http {
${temporary}
  log_format line '$remote_addr "$request" $status $body_bytes_sent "$http_range" '
    '$ssl_protocol $ssl_client_s_dn';
  access_log ${directory}/access.log line;
  default_type application/octet-stream;
  sendfile on;
  tcp_nopush on;
  server {
    listen 127.0.0.1:${httpPort};
    listen 127.0.0.1:${httpsPort} ssl;
    ssl_certificate ${directory}/cert.pem;
    ssl_certificate_key ${directory}/key.pem;
    ssl_protocols ${protocols};
    root ${root};
    ${server}
  }
}
`;
}
