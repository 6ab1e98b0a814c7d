using System.Linq.Expressions;
using System.Reflection;
using System.Runtime.CompilerServices;
using ChannelSdk.Metadata.Http;
using ChannelSdk.Host;
using ChannelSdk.Host.Files;
using ChannelSdk.Hypervisors.Qemu;
using ChannelSdk.Install.Operations;

namespace ChannelSdk.HostEndpoint.Tests;

/// <summary>Every public method of the host's libraries with null in the place of each argument that cannot be null. New ones are in it by themselves.</summary>
public class PublicArgumentTests
{
    private const BindingFlags Declared = BindingFlags.Public | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;
    private static readonly NullabilityInfoContext s_nullability = new();

    /// <summary>Half-made objects, whose finalizers must not run.</summary>
    private static readonly System.Collections.Concurrent.ConcurrentBag<object> s_kept = [];

    public static TheoryData<string> Types => [.. Assemblies().SelectMany(a => a.GetExportedTypes()).Where(IsClass).Where(type => Cases(Closed(type)).Any()).Select(type => type.FullName!)];

    [Theory]
    [MemberData(nameof(Types))]
    public async Task A_null_where_there_must_be_a_value_is_told_by_the_arguments_name(string typeName)
    {
        var type = Closed(Assemblies().Select(a => a.GetType(typeName)).First(t => t is not null)!);
        var complaints = new List<string>();
        foreach (var (method, parameter) in Cases(type))
        {
            var error = await Record.ExceptionAsync(() => InvokeAsync(type, method, parameter));
            if (error is not ArgumentNullException { ParamName: { } name } || name != parameter.Name)
            {
                complaints.Add($"{method.Name}({parameter.Name}: null): {error?.GetType().Name ?? "nothing"}, {error?.Message}");
            }
        }

        Assert.Equal("", string.Join('\n', complaints));
    }

    private static Assembly[] Assemblies() => [typeof(ChannelHost).Assembly, typeof(Installer).Assembly, typeof(QemuLauncher).Assembly, typeof(MetadataServer).Assembly];

    private static Type Closed(Type type) => type.IsGenericTypeDefinition ? type.MakeGenericType([.. type.GetGenericArguments().Select(static _ => typeof(object))]) : type;

    // Records carry what they are given; their users check it.
    private static bool IsClass(Type type) => (type.IsClass || type == typeof(GuestPath)) && !typeof(Delegate).IsAssignableFrom(type) && type.GetMethod("<Clone>$") is null && !typeof(Exception).IsAssignableFrom(type);

    private static IEnumerable<(MethodBase Method, ParameterInfo Parameter)> Cases(Type type) =>
        from method in type.GetConstructors(Declared).Concat<MethodBase>(type.GetMethods(Declared).Where(m => !m.IsSpecialName))
        where !method.ContainsGenericParameters && !method.GetParameters().Any(p => p.ParameterType.IsByRefLike || p.ParameterType.IsByRef)
        from parameter in method.GetParameters()
        where !parameter.ParameterType.IsValueType && !parameter.HasDefaultValue && s_nullability.Create(parameter).WriteState == NullabilityState.NotNull
        select (method, parameter);

    private static async Task InvokeAsync(Type type, MethodBase method, ParameterInfo isNull)
    {
        // Nothing of the object may be looked at before the argument is.
        var self = method.IsStatic || method.IsConstructor ? null : Made(type);
        object?[] arguments = [.. method.GetParameters().Select(p => p == isNull ? null : p.HasDefaultValue ? p.DefaultValue : Made(p.ParameterType))];
        object? result;
        try
        {
            result = method is ConstructorInfo constructor ? constructor.Invoke(arguments) : method.Invoke(self, arguments);
        }
        catch (TargetInvocationException e)
        {
            throw e.InnerException!;
        }

        switch (result)
        {
            case Task task:
                await task;
                break;
            case not null when result.GetType() is { IsGenericType: true } generic && generic.GetGenericTypeDefinition() == typeof(ValueTask<>):
                await (Task)generic.GetMethod(nameof(ValueTask<>.AsTask))!.Invoke(result, null)!;
                break;
            case ValueTask task:
                await task;
                break;
            case not null when result.GetType().GetInterfaces().FirstOrDefault(i => i.IsGenericType && i.GetGenericTypeDefinition() == typeof(IAsyncEnumerable<>)) is { } sequence:
                var enumerator = sequence.GetMethod("GetAsyncEnumerator")!.Invoke(result, [CancellationToken.None])!;
                await ((IAsyncDisposable)enumerator).DisposeAsync();
                await (ValueTask<bool>)enumerator.GetType().GetInterfaces().First(i => i.Name.StartsWith("IAsyncEnumerator", StringComparison.Ordinal)).GetMethod("MoveNextAsync")!.Invoke(enumerator, null)!;
                break;
        }
    }

    private static object? Made(Type type)
    {
        if (type == typeof(string))
        {
            return "x";
        }

        if (type.IsValueType)
        {
            return Activator.CreateInstance(type);
        }

        if (typeof(Delegate).IsAssignableFrom(type))
        {
            var signature = type.GetMethod("Invoke")!;
            return Expression.Lambda(type, Expression.Default(signature.ReturnType), signature.GetParameters().Select(p => Expression.Parameter(p.ParameterType))).Compile();
        }

        if (type.IsInterface || type.IsAbstract)
        {
            return type == typeof(Stream) ? Stream.Null : null;
        }

        var made = RuntimeHelpers.GetUninitializedObject(type);
        s_kept.Add(made);
        return made;
    }
}
