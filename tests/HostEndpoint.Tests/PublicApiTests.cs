using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text;

namespace ChannelSdk.HostEndpoint.Tests;

/// <summary>
/// What each library shows to its users, kept in PublicApi/NAME.txt. A change of it is a decision: run this test with
/// UPDATE_PUBLIC_API=1 and look at the difference before it is committed.
/// </summary>
public class PublicApiTests
{
    /// <summary>The messages that are generated from .proto files, which many methods return: their fields.</summary>
    private const string Messages = "ChannelSdk.Protocol.Services";

    [Theory]
    [InlineData("ChannelSdk.Protocol")]
    [InlineData("ChannelSdk.Transports")]
    [InlineData("ChannelSdk.Runtime")]
    [InlineData("ChannelSdk.HostEndpoint")]
    [InlineData("ChannelSdk.Metadata")]
    [InlineData(Messages)]
    public void The_public_api_is_what_was_agreed(string library)
    {
        var actual = library == Messages ? Describe(Assembly.Load("ChannelSdk.Protocol"), areMessages: true) : Describe(Assembly.Load(library), areMessages: false);
        var file = Path.Combine(Folder(), library + ".txt");
        if (Environment.GetEnvironmentVariable("UPDATE_PUBLIC_API") == "1")
        {
            File.WriteAllText(file, actual);
        }

        Assert.True(File.Exists(file), $"{file} is missing; run this test with UPDATE_PUBLIC_API=1 to write it");
        Assert.Equal(File.ReadAllText(file), actual);
    }

    private static string Folder()
    {
        var folder = AppContext.BaseDirectory;
        while (!Directory.Exists(Path.Combine(folder, "PublicApi")))
        {
            folder = Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("the folder PublicApi is gone");
        }

        return Path.Combine(folder, "PublicApi");
    }

    private static string Describe(Assembly assembly, bool areMessages)
    {
        var text = new StringBuilder();
        var types = assembly.GetExportedTypes().Where(type => type.Namespace == Messages == areMessages);
        foreach (var type in types.OrderBy(type => type.FullName, StringComparer.Ordinal))
        {
            var bases = new[] { type.BaseType }.Concat(type.GetInterfaces()).Where(b => b is not null && b != typeof(object) && b.IsPublic)
                .Select(b => Name(b!)).Order(StringComparer.Ordinal);
            text.Append(Kind(type)).Append(' ').Append(Name(type)).Append(" : ").AppendJoin(", ", bases).Append('\n');
            foreach (var member in type.GetMembers(BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly)
                .Where(member => !areMessages || member is PropertyInfo { GetMethod.IsStatic: false } || (member.DeclaringType!.IsEnum && member is FieldInfo))
                .Select(Member).OfType<string>().Order(StringComparer.Ordinal))
            {
                text.Append("  ").Append(member).Append('\n');
            }
        }

        return text.ToString();
    }

    private static string Kind(Type type) => type.IsEnum ? "enum" : type.IsValueType ? "struct" : type.IsInterface ? "interface"
        : typeof(Delegate).IsAssignableFrom(type) ? "delegate" : type is { IsAbstract: true, IsSealed: true } ? "static class"
        : type.IsSealed ? "sealed class" : "class";

    private static string? Member(MemberInfo member) => member switch
    {
        FieldInfo { IsPublic: true, IsLiteral: true, DeclaringType.IsEnum: true } field => $"{field.Name} = {Convert.ToInt64(field.GetRawConstantValue(), System.Globalization.CultureInfo.InvariantCulture)}",
        FieldInfo { IsPublic: true, IsSpecialName: false } field => $"field {Name(field.FieldType)} {field.Name}",
        PropertyInfo property when Shown(property.GetMethod) || Shown(property.SetMethod) =>
            $"property {Name(property.PropertyType)} {property.Name} {(Shown(property.GetMethod) ? "get " : "")}{(Shown(property.SetMethod) ? IsInit(property) ? "init" : "set" : "")}".TrimEnd(),
        EventInfo { AddMethod.IsPublic: true } happening => $"event {Name(happening.EventHandlerType!)} {happening.Name}",
        ConstructorInfo constructor when Shown(constructor) => $"new({Parameters(constructor)})",
        // Accessors are their properties'; operators and what the compiler makes for records say nothing new.
        MethodInfo { IsSpecialName: false } method when Shown(method) && !method.IsDefined(typeof(CompilerGeneratedAttribute)) =>
            $"method {(method.IsStatic ? "static " : "")}{Name(method.ReturnType)} {method.Name}({Parameters(method)})",
        _ => null,
    };

    private static bool Shown(MethodBase? method) => method is { IsPublic: true } or { IsFamily: true };

    private static bool IsInit(PropertyInfo property) => property.SetMethod!.ReturnParameter.GetRequiredCustomModifiers().Contains(typeof(IsExternalInit));

    private static string Parameters(MethodBase method) => string.Join(", ", method.GetParameters().Select(p =>
        $"{(p.ParameterType.IsByRef ? p.IsOut ? "out " : p.IsIn ? "in " : "ref " : "")}{Name(p.ParameterType)} {p.Name}{(p.HasDefaultValue ? $" = {p.DefaultValue ?? "default"}" : "")}"));

    private static string Name(Type type)
    {
        if (type.IsByRef)
        {
            return Name(type.GetElementType()!);
        }

        if (type.IsGenericParameter)
        {
            return type.Name;
        }

        var name = type.Namespace is "System" || type.Namespace!.StartsWith("System.", StringComparison.Ordinal) ? type.Name : type.ToString().Split('`')[0];
        return type.IsGenericType ? $"{name.Split('`')[0]}<{string.Join(", ", type.GetGenericArguments().Select(Name))}>" : name;
    }
}
