using System.Reflection;
using System.Runtime.CompilerServices;

namespace ChannelSdk.Protocol.Tests;

/// <summary>Copies a whole object graph, as a snapshot of a machine's memory does.</summary>
internal sealed class Snapshot
{
    private static readonly MethodInfo s_clone = typeof(object).GetMethod(nameof(MemberwiseClone), BindingFlags.Instance | BindingFlags.NonPublic)!;
    private static readonly Dictionary<Type, FieldInfo[]> s_fields = [];
    private readonly Dictionary<object, object> _copies = new(ReferenceEqualityComparer.Instance);

    /// <param name="root">What is copied with all that it reaches.</param>
    /// <param name="shared">What the copy has in common with the original.</param>
    public static T Of<T>(T root, params object[] shared)
        where T : class
    {
        var snapshot = new Snapshot();
        foreach (var one in shared)
        {
            snapshot._copies.TryAdd(one, one);
        }

        return (T)snapshot.Copy(root)!;
    }

    private object? Copy(object? original)
    {
        if (original is null or string or Type || original.GetType() is { IsPrimitive: true } or { IsEnum: true })
        {
            return original;
        }

        if (_copies.TryGetValue(original, out var known))
        {
            return known;
        }

        if (original is Delegate method)
        {
            return _copies[original] = method.Target is null ? method : Delegate.CreateDelegate(method.GetType(), Copy(method.Target), method.Method);
        }

        var copy = s_clone.Invoke(original, null)!;
        if (!original.GetType().IsValueType)
        {
            _copies[original] = copy;
        }

        if (copy is Array array)
        {
            if (HoldsReferences(array.GetType().GetElementType()!))
            {
                for (var i = 0; i < array.Length; i++)
                {
                    array.SetValue(Copy(array.GetValue(i)), i);
                }
            }

            return copy;
        }

        foreach (var field in FieldsOf(original.GetType()))
        {
            field.SetValue(copy, Copy(field.GetValue(original)));
        }

        return copy;
    }

    private static bool HoldsReferences(Type type) => !type.IsValueType || FieldsOf(type).Length > 0;

    /// <summary>The fields that hold or may hold references, of all base types.</summary>
    private static FieldInfo[] FieldsOf(Type type)
    {
        lock (s_fields)
        {
            if (s_fields.TryGetValue(type, out var known))
            {
                return known;
            }

            var fields = new List<FieldInfo>();
            for (var at = type; at is not null && !(type.IsPrimitive || type.IsEnum); at = at.BaseType)
            {
                const BindingFlags Own = BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;
                fields.AddRange(at.GetFields(Own).Where(static f => !f.FieldType.IsPrimitive && !f.FieldType.IsEnum && HoldsReferences(f.FieldType)));
            }

            return s_fields[type] = [.. fields];
        }
    }
}
