using System.Reflection;
using ChannelSdk.Host;
using ChannelSdk.Hypervisors.Qemu;
using ChannelSdk.Install.Operations;

namespace ChannelSdk.HostEndpoint.Tests;

/// <summary>What the host's libraries may have in public signatures. New members are in it by themselves.</summary>
public class PublicSignatureTests
{
    private const BindingFlags Declared = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;

    private static Assembly[] Libraries => [typeof(ChannelHost).Assembly, typeof(Installer).Assembly, typeof(QemuLauncher).Assembly, typeof(Metadata.Http.MetadataServer).Assembly];

    [Fact]
    public void No_public_signature_has_a_message_of_the_wire_in_it()
    {
        // GuestReply decodes for the SDK's own libraries; users hold no value of it.
        var found = Signatures().Where(static one => !one.Where.StartsWith(typeof(Host.Connection.GuestReply).FullName!, StringComparison.Ordinal)).Where(one => Parts(one.Type).Any(static part =>
            part.Namespace is { } name && (name.StartsWith("Google.Protobuf", StringComparison.Ordinal) || name == "ChannelSdk.Protocol.Services")));
        Assert.Equal("", string.Join('\n', found.Select(static one => $"{one.Where}: {one.Type}").Distinct()));
    }

    private static IEnumerable<(string Where, Type Type)> Signatures()
    {
        foreach (var type in Libraries.SelectMany(static library => library.GetExportedTypes()))
        {
            foreach (var one in type.GetInterfaces().Append(type.BaseType).OfType<Type>())
            {
                yield return (type.FullName!, one);
            }

            foreach (var member in type.GetMembers(Declared))
            {
                foreach (var one in TypesOf(member))
                {
                    yield return ($"{type.FullName}.{member.Name}", one);
                }
            }
        }
    }

    private static IEnumerable<Type> TypesOf(MemberInfo member) => member switch
    {
        FieldInfo { IsPublic: true } field => [field.FieldType],
        MethodInfo method when IsShown(method) => method.GetParameters().Select(static p => p.ParameterType).Append(method.ReturnType),
        ConstructorInfo constructor when IsShown(constructor) => constructor.GetParameters().Select(static p => p.ParameterType),
        _ => [],
    };

    private static bool IsShown(MethodBase method) => method is { IsPublic: true } or { IsFamily: true } or { IsFamilyOrAssembly: true };

    private static IEnumerable<Type> Parts(Type type)
    {
        if (type.HasElementType)
        {
            return Parts(type.GetElementType()!);
        }

        return type.IsGenericType ? type.GetGenericArguments().SelectMany(Parts).Append(type) : [type];
    }
}
