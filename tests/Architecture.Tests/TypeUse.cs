using Mono.Cecil;
using Mono.Cecil.Cil;
using Mono.Cecil.Rocks;

namespace ChannelSdk.Architecture.Tests;

/// <summary>Which types a type uses: in its base types, members, attributes and code.</summary>
internal static class TypeUse
{
    /// <summary>Each use once, types that are nested or made by the compiler counted as those that they lie in.</summary>
    public static IEnumerable<(TypeDefinition From, TypeReference To)> In(AssemblyDefinition assembly)
    {
        foreach (var type in assembly.MainModule.GetAllTypes())
        {
            var user = Outermost(type);
            var used = new HashSet<string>(StringComparer.Ordinal);
            foreach (var to in Of(type).SelectMany(Parts))
            {
                if (to.FullName != user.FullName && used.Add(to.FullName))
                {
                    yield return (user, to);
                }
            }
        }
    }

    private static TypeDefinition Outermost(TypeDefinition type) => type.DeclaringType is { } outer ? Outermost(outer) : type;

    private static IEnumerable<TypeReference?> Of(TypeDefinition type)
    {
        yield return type.BaseType;
        foreach (var one in type.Interfaces)
        {
            yield return one.InterfaceType;
        }

        foreach (var parameter in type.GenericParameters.SelectMany(static p => p.Constraints))
        {
            yield return parameter.ConstraintType;
        }

        foreach (var field in type.Fields)
        {
            yield return field.FieldType;
        }

        foreach (var method in type.Methods)
        {
            foreach (var to in Of(method))
            {
                yield return to;
            }
        }
    }

    private static IEnumerable<TypeReference?> Of(MethodDefinition method)
    {
        yield return method.ReturnType;
        foreach (var parameter in method.Parameters)
        {
            yield return parameter.ParameterType;
        }

        foreach (var to in method.GenericParameters.SelectMany(static p => p.Constraints).Select(static c => c.ConstraintType))
        {
            yield return to;
        }

        if (!method.HasBody)
        {
            yield break;
        }

        foreach (var variable in method.Body.Variables)
        {
            yield return variable.VariableType;
        }

        foreach (var caught in method.Body.ExceptionHandlers)
        {
            yield return caught.CatchType;
        }

        foreach (var instruction in method.Body.Instructions)
        {
            foreach (var to in Of(instruction))
            {
                yield return to;
            }
        }
    }

    private static IEnumerable<TypeReference?> Of(Instruction instruction)
    {
        switch (instruction.Operand)
        {
            case TypeReference type:
                yield return type;
                break;
            case GenericInstanceMethod generic:
                yield return generic.DeclaringType;
                foreach (var argument in generic.GenericArguments)
                {
                    yield return argument;
                }

                break;
            case MemberReference member:
                yield return member.DeclaringType;
                break;
        }
    }

    /// <summary>The types that a reference is made of: elements, arguments, and of nested ones the outermost.</summary>
    private static IEnumerable<TypeReference> Parts(TypeReference? type)
    {
        switch (type)
        {
            case null or GenericParameter:
                yield break;
            case GenericInstanceType generic:
                foreach (var part in generic.GenericArguments.SelectMany(Parts))
                {
                    yield return part;
                }

                break;
        }

        var element = type.GetElementType();
        while (element is TypeSpecification specification)
        {
            element = specification.ElementType;
        }

        while (element.DeclaringType is { } outer)
        {
            element = outer;
        }

        if (element is not GenericParameter)
        {
            yield return element;
        }
    }
}
