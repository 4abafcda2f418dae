// A plugin for TypeDoc: takes out what would be shown twice.
import { Converter, ReflectionKind } from 'typedoc';

export function load({ converter }) {
  converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    for (const reflection of [...constants(project), ...disposers(project)]) {
      project.removeReflection(reflection);
    }
  });
}

// The constants of `iotkit-ota/sdk` are members of an object each, with a comment, and are taken out of it as exports
// of their own, which can have none.
function constants(project) {
  const variables = project.getReflectionsByKind(ReflectionKind.Variable);
  const members = new Set(variables.flatMap(membersOf));
  return variables.filter(({ parent, name }) => members.has(`${parent.name}.${name}`));
}

function membersOf({ parent, type }) {
  const children = type?.type === 'reflection' ? (type.declaration.children ?? []) : [];
  return children.map(({ name }) => `${parent.name}.${name}`);
}

// What Disposable and AsyncDisposable declare, once in each of the libraries that do.
function disposers(project) {
  const methods = project.getReflectionsByKind(ReflectionKind.Method);
  return methods.filter(({ name, inheritedFrom }) => name.startsWith('[') && inheritedFrom);
}
